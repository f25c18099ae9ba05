"""One way to reach Redis: bytes in and out, and a pool that makes callers wait their turn."""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis

MAX_CONNECTIONS = 64
WAIT_SECONDS = 5.0


def connect(url: str, **options: Any) -> Redis:
    """A client for the life of a process; close it with `aclose()`.

    Above `MAX_CONNECTIONS` commands at once a caller waits up to `WAIT_SECONDS` for a connection.
    (The default pool would raise at its hundredth connection, so that a burst became errors.)
    """
    settings = {"max_connections": MAX_CONNECTIONS, "timeout": WAIT_SECONDS} | options
    return Redis.from_pool(BlockingConnectionPool.from_url(url, **settings))
