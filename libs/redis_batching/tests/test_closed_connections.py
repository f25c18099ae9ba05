"""A connection that is closed at any step is an outage of Redis, under asyncio and under uvloop."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from redis_batching import BatchingRedis, connect, redis_internals
from redis_batching.batches import execute_batch

pytestmark = pytest.mark.stack

LOOPS = (asyncio.new_event_loop, uvloop.new_event_loop)
"""Services run under uvloop, which raises other errors than asyncio."""
TICKS = 30
"""A command with a new connection takes fewer ticks of the event loop."""


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("command", ["batch", "single"])
def test_a_write_to_a_closed_connection_is_a_connection_error(
    loop: Callable[[], asyncio.AbstractEventLoop], command: str, redis_database: str
) -> None:
    async def run() -> None:
        async with connect(redis_database, retry=None) as client:
            pool: Any = client.connection_pool
            connection = await pool.get_connection()
            redis_internals.abort(connection)
            await asyncio.sleep(0)
            with pytest.raises(RedisConnectionError):
                await _ping(connection, command)
            await pool.release(connection)
            assert await client.ping()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("call", ["command", "many", "pipeline", "subscription"])
def test_a_connection_may_be_closed_at_any_step_of_a_call(
    loop: Callable[[], asyncio.AbstractEventLoop], call: str, redis_database: str
) -> None:
    async def run() -> None:
        for ticks in range(TICKS):
            async with connect(redis_database) as client:
                task = asyncio.create_task(_call(client, call))
                for _ in range(ticks):
                    await asyncio.sleep(0)
                _abort_connections(client)
                with contextlib.suppress(RedisError):
                    await asyncio.wait_for(task, 10)
                assert await client.ping()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


async def _ping(connection: Any, command: str) -> None:
    if command == "batch":
        await execute_batch(connection, [("PING",)])
    else:
        await connection.send_command("PING", check_health=False)
        await connection.read_response()


async def _call(client: BatchingRedis, call: str) -> None:
    if call == "command":
        await client.get("key")
    elif call == "many":
        await client.execute_many([("GET", "key"), ("GET", "other")])
    elif call == "pipeline":
        pipe: Any = client.pipeline(transaction=True)
        await pipe.get("key").get("other").execute()
    else:
        subscription: Any = client.pubsub()
        await subscription.subscribe("news")
        await subscription.aclose()


def _abort_connections(client: BatchingRedis) -> None:
    pool: Any = client.connection_pool
    for connection in [*pool._available_connections, *pool._in_use_connections]:
        redis_internals.abort(connection)
