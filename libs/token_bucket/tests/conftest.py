from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.support.redis_server import RedisServer


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A plain redis-py client of an empty database."""
    async with Redis.from_url(redis_server.url) as client:
        await client.flushall()
        yield client
