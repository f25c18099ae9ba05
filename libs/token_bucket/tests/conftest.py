from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.support.redis_server import RedisServer
from tests.support.topology import plain_client


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A plain redis-py client of an empty database."""
    async with plain_client(redis_server.url) as client:
        yield client
