"""Choose the Redis of the tests: a single server, or a cluster if REDIS_TOPOLOGY=cluster."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis

from redis_batching import connect
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_server import RedisServer

CLUSTER: Final = os.environ.get("REDIS_TOPOLOGY") == "cluster"


def redis_of_tests(folder: Path) -> RedisServer:
    """Return what a test may start, kill and suspend: a server, or all servers of a cluster."""
    server: Any = RedisCluster(folder) if CLUSTER else RedisServer(folder)
    chosen: RedisServer = server
    return chosen


@contextlib.asynccontextmanager
async def plain_client(url: str) -> AsyncIterator[Redis]:
    """Open an empty database with redis-py's own client, which cannot serve a cluster."""
    client: Any = connect(url) if CLUSTER else Redis.from_url(url)
    async with client:
        await client.flushall()
        yield client
