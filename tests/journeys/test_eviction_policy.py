"""Neither a service nor the gateway starts with a Redis that may evict read models."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from redis_batching.connection import connect
from tests.support.redis_server import RedisServer
from tests.support.stack import Service, Stack

pytestmark = pytest.mark.stack


@pytest.fixture
async def evicting(redis_server: RedisServer) -> AsyncIterator[str]:
    """A Redis with the policy allkeys-lru."""
    redis = connect(redis_server.url)
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    yield redis_server.url
    await redis.config_set("maxmemory-policy", "noeviction")
    await redis.aclose()


@pytest.mark.parametrize("name", ["referrals", "gateway"])
async def test_a_process_refuses_to_start_and_says_why(
    stack: Stack, evicting: str, name: str, tmp_path: Path
) -> None:
    # what it prints is no line of a log, which other tests read
    settings = stack.settings.model_copy(update={"state": tmp_path})
    process = Service(name, replace(stack, settings=settings, services={}))
    process.start(REDIS_URL=evicting)
    assert await process.died() == 1
    output = process.log.read_text()
    assert "cannot start: maxmemory-policy allkeys-lru lets Redis evict read models" in output
    assert "Traceback" not in output
