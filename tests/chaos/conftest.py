"""Provide gateways, and a token issuer that publishes its keys over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.chaos.gateways import GatewayLauncher
from tests.gateway.environment import Issuer
from tests.support.keys_endpoint import KeysEndpoint, keys_endpoint
from tests.support.rate_limits import restore_limits, suspend_limits
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
async def launcher(
    stack: Stack, endpoint: KeysEndpoint, tmp_path: Path
) -> AsyncIterator[GatewayLauncher]:
    """Return a launcher of gateways that reject no request because of a limit."""
    await stack.service("referrals").start().ready()
    launcher = GatewayLauncher(stack, tmp_path, endpoint)
    async with Redis.from_url(stack.environment["REDIS_URL"]) as redis:
        await suspend_limits(redis)
        yield launcher
        for gateway in launcher.launched:
            gateway.stop()
        await restore_limits(redis)
