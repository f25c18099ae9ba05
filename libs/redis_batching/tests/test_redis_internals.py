"""The installed redis-py has every private name that `redis_internals` uses."""

import asyncio
import importlib
import inspect
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.client import NEVER_DECODE

from redis_batching import redis_internals
from tests.support.redis_server import RedisServer


def test_the_private_module_has_its_marker_for_missing_data() -> None:
    assert importlib.import_module("redis._parsers.hiredis").NOT_ENOUGH_DATA is not None


async def test_a_connection_has_the_writer_the_parser_and_the_reader(
    redis_server: RedisServer,
) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        pool: Any = redis.connection_pool
        connection = await pool.get_connection()
        try:
            await connection.connect()
            assert callable(connection._writer.write)
            assert inspect.iscoroutinefunction(connection._writer.drain)
            assert callable(connection._parser._reader.gets)
            assert inspect.iscoroutinefunction(connection._parser.read_from_socket)
            assert inspect.iscoroutinefunction(connection._parser.handle_push_response)
        finally:
            await pool.release(connection)


def test_the_methods_that_are_overridden_or_called_exist() -> None:
    for name in ("pack_command", "send_packed_command", "read_response", "should_reconnect"):
        assert callable(getattr(AbstractConnection, name))
    assert "timeout" in inspect.signature(AbstractConnection.read_response).parameters
    assert isinstance(NEVER_DECODE, str)


def test_the_parsers_of_replies_are_a_dictionary_with_keys_in_capitals() -> None:
    parsers = Redis().response_callbacks
    assert isinstance(parsers, dict)
    assert {name.upper() for name in dict.keys(parsers)} == set(dict.keys(parsers))


def test_a_parser_looks_up_how_to_parse_an_error_when_it_connects() -> None:
    """`observe_errors` replaces it on the parser of one connection."""
    hiredis_parser = importlib.import_module("redis._parsers.hiredis")._AsyncHiredisParser
    assert "self.parse_error" in inspect.getsource(hiredis_parser.on_connect)
    assert callable(hiredis_parser.parse_error)
    assert callable(AbstractConnection.set_parser)
    assert inspect.iscoroutinefunction(AbstractConnection.on_connect_check_health)


async def test_an_idle_connection_is_taken_unless_another_caller_waits(
    redis_server: RedisServer,
) -> None:
    pool: Any = BlockingConnectionPool.from_url(redis_server.url, max_connections=1)
    assert await redis_internals.take_idle(pool) is None  # none has been made yet
    first = await pool.get_connection()
    assert await redis_internals.take_idle(pool) is None
    waiting = asyncio.create_task(pool.get_connection())
    while not pool._condition._waiters:  # noqa: ASYNC110  a private list has no event
        await asyncio.sleep(0)
    pool._available_connections.append(first)  # what a release does before its notification
    assert await redis_internals.take_idle(pool) is None
    pool._available_connections.remove(first)
    await pool.release(first)
    assert await waiting is first
    await pool.release(first)
    assert await redis_internals.take_idle(pool) is first
    await pool.release(first)
    await pool.aclose()
