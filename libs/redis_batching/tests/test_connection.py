"""A cancelled task ends, even if it is cancelled in the tick in which a command is written."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ResponseError

from redis_batching import cancellation_safe, connect
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack


async def test_no_cancellation_is_lost(redis_database: str) -> None:
    """At whichever step of a command it arrives; a command takes fewer than twenty ticks."""
    client: Any = cancellation_safe(Redis.from_url(redis_database))
    try:
        for ticks in range(20):
            task = asyncio.create_task(_repeat(client))
            for _ in range(ticks):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=5)
            assert done, f"still running, cancelled after {ticks} ticks"
    finally:
        await client.aclose()


async def test_the_command_after_a_cancellation_gets_its_own_reply(redis_database: str) -> None:
    pool = BlockingConnectionPool.from_url(redis_database, max_connections=1)
    client: Any = cancellation_safe(Redis.from_pool(pool))
    try:
        for ticks in range(20):
            task = asyncio.create_task(client.echo("theirs"))
            for _ in range(ticks):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert await client.echo("mine") == b"mine"
    finally:
        await client.aclose()


async def test_a_burst_waits_instead_of_failing(redis_database: str) -> None:
    client = connect(redis_database, max_connections=2)
    try:
        pipes: list[Any] = [client.pipeline(transaction=False) for _ in range(200)]
        queued = [pipe.echo(str(n)) for n, pipe in enumerate(pipes)]
        replies = await asyncio.gather(*(pipe.execute() for pipe in queued))
        assert replies == [[str(n).encode()] for n in range(200)]
    finally:
        await client.aclose()


async def test_many_commands_are_executed_in_one_write(redis_database: str) -> None:
    """In order; an error reply is returned; a cancelled caller leaves no batch half-sent."""
    client = connect(redis_database)
    try:
        await client.flushdb()
        first, error, last = await client.execute_many(
            [("SET", "k", "v"), ("HGET", "k", "f"), ("GET", "k")]
        )
        assert (first, last) == (True, b"v")
        assert isinstance(error, ResponseError)
        sets = [("SET", f"k{n}", n) for n in range(1000)]
        task = asyncio.create_task(client.execute_many(sets))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await eventually(lambda: client.exists("k999"))
        assert await client.echo("mine") == b"mine"
    finally:
        await client.aclose()


async def _repeat(client: Any) -> None:
    while True:
        await client.echo("again")
