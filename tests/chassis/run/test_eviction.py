"""A process does not start with a Redis that may evict read models."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from chassis.run.eviction import check_eviction_policy
from chassis.views.identity import EvictionPolicy
from redis_batching.connection import connect
from tests.support.redis_server import RedisServer


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Any]:
    client = connect(redis_server.url)
    yield client
    await client.config_set("maxmemory-policy", "noeviction")
    await client.aclose()


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
async def test_a_policy_that_evicts_read_models_prevents_the_start(redis: Any, policy: str) -> None:
    await redis.config_set("maxmemory-policy", policy)
    with pytest.raises(EvictionPolicy, match=f"maxmemory-policy {policy} .*set it to noeviction"):
        await check_eviction_policy(redis)


async def test_a_policy_that_evicts_outcomes_is_logged(redis: Any) -> None:
    await redis.config_set("maxmemory-policy", "volatile-lru")
    with capture_logs() as logs:
        await check_eviction_policy(redis)
    assert [(entry["event"], entry["policy"]) for entry in logs] == [
        ("redis_may_evict_outcomes", "volatile-lru")
    ]


async def test_without_eviction_nothing_is_logged(redis: Any) -> None:
    with capture_logs() as logs:
        await check_eviction_policy(redis)
    assert logs == []


async def test_a_redis_that_is_away_prevents_no_start() -> None:
    client = connect("redis://127.0.0.1:1/0")
    with capture_logs() as logs:
        await check_eviction_policy(client)
    assert [entry["event"] for entry in logs] == ["eviction_policy_unknown"]
    await client.aclose()
