"""A task that is told to stop stops, even in the tick in which a command goes out."""

import asyncio
from typing import Any

import pytest

from chassis.redis import connect

pytestmark = pytest.mark.stack


async def test_no_cancellation_is_lost(redis_url: str) -> None:
    """At whatever step of a command it comes; fewer than twenty ticks make a whole command."""
    client = connect(redis_url)
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
    client: Any = connect(redis_url, max_connections=1)
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


async def _for_ever(client: Any) -> None:
    while True:
        await client.echo("again")
