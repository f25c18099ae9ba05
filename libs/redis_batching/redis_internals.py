"""Adapt the private parts of redis-py that this library depends on; nothing else uses them.

redis-py starts a task for each write and runs four coroutines for each read, and its connection
has no public way around that. These functions use the writer and the reader that the connection
has opened itself. `tests/test_redis_internals.py` fails when a release of redis-py renames one.
"""

import select
from collections.abc import Callable
from typing import Any, Final

import hiredis
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.exceptions import ConnectionError as RedisConnectionError

_NOT_A_REPLY: Final = (RedisConnectionError, hiredis.PushNotification)
_HANG_UP: Final = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)


async def write(connection: Any, packed: bytes) -> None:
    """Write packed commands to a connected connection.

    Raises:
        RedisConnectionError: The connection has been closed; nothing was written.
        OSError: The connection broke.
    """
    if is_gone(connection):
        raise RedisConnectionError("the connection to Redis was closed")
    connection._writer.write(packed)  # noqa: SLF001  see above
    await connection._writer.drain()  # noqa: SLF001


async def read_replies(connection: Any, count: int) -> list[Any]:
    """Read `count` replies; an error reply is returned as the exception, not raised.

    Push notifications between them are handled by redis-py.

    Raises:
        RedisConnectionError: The server cannot serve this connection now, for example LOADING.
    """
    parser = connection._parser  # noqa: SLF001  see above
    next_parsed = parser._reader.gets  # noqa: SLF001
    replies: list[Any] = []
    while len(replies) < count:
        reply = next_parsed()
        if reply is NOT_ENOUGH_DATA:
            await parser.read_from_socket()
            continue
        if isinstance(reply, _NOT_A_REPLY):
            if isinstance(reply, RedisConnectionError):
                raise reply
            await parser.handle_push_response(reply)
            continue
        replies.append(reply)
    return replies


async def take_idle(pool: Any) -> Any:
    """Take an idle connection of a blocking pool; None if there is none, or others wait for one.

    `get_connection` takes a lock, a timer and two measurements as well, which together take longer
    than writing a batch.
    """
    condition = getattr(pool, "_condition", None)
    if condition is None or not pool._available_connections:  # noqa: SLF001  see above, also below
        return None
    if condition.locked() or condition._waiters or pool._in_maintenance:  # noqa: SLF001
        return None
    connection = pool.get_available_connection()
    try:
        await pool.ensure_connection(connection)
    except BaseException:
        await pool.release(connection)
        raise
    return connection


def observe_errors(connection: Any, observer: Callable[[str], None]) -> None:
    """Call `observer` with the text of each error reply before it becomes an exception.

    The observer must not refer to the connection: the reader in C is no part of garbage collection.
    """
    parser = connection._parser  # noqa: SLF001  see above
    parse = type(parser).parse_error

    def parse_error(text: str) -> Exception:
        observer(text)
        error: Exception = parse(text)
        return error

    parser.parse_error = parse_error


def is_closed(connection: Any) -> bool:
    """Return whether the server has closed a connected connection.

    Asks the kernel as well: the event loop may not have had the occasion to read the end.
    """
    if connection._reader.at_eof():  # noqa: SLF001  see above
        return True
    socket = connection._writer.get_extra_info("socket")  # noqa: SLF001
    if socket is None or socket.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(socket.fileno(), _HANG_UP)
    return any(events & _HANG_UP for _, events in poll.poll(0))


def is_gone(connection: Any) -> bool:
    """Return whether nothing can be written any more, although the connection has not noticed.

    A write then raises `RuntimeError` under uvloop, and is dropped silently under asyncio.
    """
    writer = connection._writer  # noqa: SLF001  see above
    return writer is None or writer.is_closing()


def abort(connection: Any) -> None:
    """Close a connection at once; a task that is reading from it gets an error."""
    if connection._writer is not None:  # noqa: SLF001  see above
        connection._writer.transport.abort()  # noqa: SLF001
