from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from cognito_jwt.testing import TokenIssuer
from tests.support.redis_server import RedisServer
from tests.support.topology import plain_client


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A plain redis-py client of an empty database."""
    async with plain_client(redis_server.url) as client:
        yield client


@pytest.fixture(scope="session")
def issuer_with_key() -> TokenIssuer:
    """Generating a key takes 50 ms or more."""
    issuer = TokenIssuer()
    issuer.rotate("key-1")
    return issuer


@pytest.fixture
def issuer(issuer_with_key: TokenIssuer) -> TokenIssuer:
    return TokenIssuer(keys=dict(issuer_with_key.keys))
