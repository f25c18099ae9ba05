"""A task that is told to stop stops, even in the tick in which a command goes out."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ResponseError

from redis_batching.connection import cancellation_safe, connect
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack


async def test_no_cancellation_is_lost(redis_url: str) -> None:
    """At whatever step of a command it comes; fewer than twenty ticks make a whole command."""
    client: Any = cancellation_safe(Redis.from_url(redis_url))
    try:
        for ticks in range(20):
            task = asyncio.create_task(_for_ever(client))
            for _ in range(ticks):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=5)
            assert done, f"still running, cancelled after {ticks} ticks"
    finally:
        await client.aclose()


async def test_a_command_after_a_cancellation_gets_its_own_answer(redis_url: str) -> None:
    pool = BlockingConnectionPool.from_url(redis_url, max_connections=1)
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


async def test_a_burst_waits_instead_of_failing(redis_url: str) -> None:
    client = connect(redis_url, max_connections=2)
    try:
        pipes: list[Any] = [client.pipeline(transaction=False) for _ in range(200)]
        asked = [pipe.echo(str(n)) for n, pipe in enumerate(pipes)]
        answers = await asyncio.gather(*(pipe.execute() for pipe in asked))
        assert answers == [[str(n).encode()] for n in range(200)]
    finally:
        await client.aclose()


async def test_many_commands_go_out_together(redis: Any) -> None:
    """In order; a refused one answers its error; a cancelled caller leaves nothing half-sent."""
    first, refused, last = await redis.execute_many(
        [("SET", "k", "v"), ("HGET", "k", "f"), ("GET", "k")]
    )
    assert (first, last) == (True, b"v")
    assert isinstance(refused, ResponseError)
    task = asyncio.create_task(redis.execute_many([("SET", f"k{n}", n) for n in range(1000)]))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await eventually(lambda: redis.exists("k999"))
    assert await redis.echo("mine") == b"mine"


async def _for_ever(client: Any) -> None:
    while True:
        await client.echo("again")
