"""One way to reach Redis: bytes in and out, a pool that makes callers wait, cancellation heeded."""

import asyncio
from typing import Any, TypeVar, cast

import hiredis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection

from redis_batching.client import BatchingRedis

MAX_CONNECTIONS = 64
WAIT_SECONDS = 5.0

Client = TypeVar("Client", bound=Redis)


def connect(url: str, **options: Any) -> BatchingRedis:
    """A client for the life of a process; close it with `aclose()`.

    Commands of one tick of the event loop share a write. Pipelines and subscriptions take
    connections of their own; above `MAX_CONNECTIONS` a caller waits up to `WAIT_SECONDS`.
    (The default pool would raise at its hundredth connection, so that a burst became errors.)
    """
    settings = {"max_connections": MAX_CONNECTIONS, "timeout": WAIT_SECONDS} | options
    client: Any = BatchingRedis.from_pool(BlockingConnectionPool.from_url(url, **settings))
    return cast("BatchingRedis", heeding(client))


def heeding(client: Client) -> Client:
    """The same client, with connections on which a cancellation is never lost.

    redis-py writes under `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that
    comes in the tick in which the write ends: a task that was told to stop would go on for ever.
    """
    pool: Any = client.connection_pool
    kind = pool.connection_class
    pool.connection_class = type(f"Heeding{kind.__name__}", (_Heeding, kind), {})
    return client


class _Heeding(AbstractConnection):
    def pack_command(self, *args: Any) -> list[bytes]:
        """In C; redis-py's own packing was a fifth of what a replay costs."""
        if isinstance(args[0], str) and " " in args[0]:  # SCRIPT LOAD and the like are two words
            args = (*args[0].split(), *args[1:])
        return [hiredis.pack_command(args)]

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        await super().send_packed_command(*args, **options)
        if task and task.cancelling() > before:
            await self.disconnect(nowait=True)  # the reply would be the next caller's
            raise asyncio.CancelledError
