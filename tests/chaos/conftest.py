"""Gateways of their own, an issuer of tokens whose keys come over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.chaos.gateways import Place
from tests.gateway.environment import Issuer
from tests.support.keys_endpoint import KeysEndpoint, keys_endpoint
from tests.support.shadow import count_only, limits_hold_again
from tests.support.stack import Stack


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    issuer = Issuer()
    issuer.rotate("key-1")
    return issuer


@pytest.fixture
async def endpoint(issuer: Issuer) -> AsyncIterator[KeysEndpoint]:
    async with keys_endpoint(issuer) as endpoint:
        yield endpoint


@pytest.fixture
async def place(stack: Stack, endpoint: KeysEndpoint, tmp_path: Path) -> AsyncIterator[Place]:
    """Its gateways count their callers and turn nobody away."""
    await stack.service("referrals").start().ready()
    place = Place(stack, tmp_path, endpoint)
    async with Redis.from_url(stack.environment["REDIS_URL"]) as redis:
        await count_only(redis)
        yield place
        for gateway in place.opened:
            gateway.stop()
        await limits_hold_again(redis)
