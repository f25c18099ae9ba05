"""Send a batch of commands in one write and read all replies, on one redis-py connection."""

from collections.abc import Iterable
from typing import Any

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_batching import redis_internals
from redis_batching.deadline import Deadline

Command = tuple[Any, ...]
"""Name and arguments, for example `("SET", "key", "value")`."""


async def execute_batch(connection: Any, commands: Iterable[Command]) -> list[Any]:
    """Return the replies in order; an error reply is returned as the exception, not raised.

    The batch is repeated by the connection's own retry policy, as a redis-py pipeline is.

    Raises:
        RedisError: The batch failed; none, some or all of its commands may have been executed.
    """
    packed = [pack(command) for command in commands]
    written = b"".join(packed)

    async def attempt() -> list[Any]:
        if not connection.is_connected:
            await connection.connect()
        try:
            with Deadline(connection.socket_timeout):
                await redis_internals.write(connection, written)
                return await redis_internals.read_replies(connection, len(packed))
        except TimeoutError as error:
            raise RedisTimeoutError("Redis did not answer in time") from error
        except OSError as error:
            raise RedisConnectionError(f"the connection to Redis broke: {error}") from error

    complete = False
    try:
        replies: list[Any] = await connection.retry.call_with_retry(
            attempt, lambda _error: connection.disconnect()
        )
        complete = True
    finally:
        if not complete:  # the next caller must not read replies that are still on their way
            await connection.disconnect(nowait=True)
    return replies


def pack(command: Command) -> bytes:
    """Encode a command; a name of two words such as SCRIPT LOAD becomes two arguments."""
    if isinstance(command[0], str) and " " in command[0]:
        command = (*command[0].split(), *command[1:])
    packed: bytes = hiredis.pack_command(command)
    return packed
