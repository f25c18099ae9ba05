"""redis-py, with the commands of one event-loop tick in one write and one read.

A command of its own costs redis-py about thirty microseconds, most of it for the connection. The
client stays redis-py: connections, TLS, handshakes, retries and what replies mean are its work.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Final

import hiredis
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.asyncio import Redis
from redis.client import NEVER_DECODE
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

MAX_LANES: Final = 4
"""Connections in use, each for one batch at a time; meanwhile commands gather for the next one."""
MAX_BATCH: Final = 64
"""Many commands of one tick are dealt out to several lanes: while Redis works on one batch, we work
on the answers to another."""
SILENCE_SECONDS: Final = 0.5
"""How long nobody else is made to wait after Redis has let somebody's time run out."""
REST_SECONDS: Final = 0.05
"""How long a lane keeps its connection without work: under load it is never given back."""

SILENT: Final = "Redis did not answer others a moment ago"
_OURS: Final = ("keys", NEVER_DECODE)
"""Options that are words to the client, not to the reader of a reply."""
_UNUSUAL: Final = (RedisConnectionError, hiredis.PushNotification)

_Wish = tuple[tuple[Any, ...], dict[str, Any], "asyncio.Future[Any]"]
"""Arguments, options for the reader of the reply, and who waits for it."""
_NOBODY: Any = None


class BatchingRedis(Redis):
    """For many short commands at once; blocking commands belong on a client of their own.

    A caller that is cancelled gives up its own answer only: the batch is sent and read by a task
    that nobody's cancellation reaches, so that no answer can come to the wrong caller.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._wishes: list[_Wish] = []
        self._scheduled = False
        self._loop: asyncio.AbstractEventLoop
        self._lanes: set[asyncio.Task[None]] = set()
        self._resting: list[asyncio.Future[None]] = []
        self._bulk: set[asyncio.Task[Any]] = set()
        self._closing = False
        self._silent = False

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Queue a command; the answer is a future."""
        if not self._scheduled:
            self._scheduled = True
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._flush)
        answer = self._loop.create_future()
        if self._silent:
            answer.set_exception(RedisTimeoutError(SILENT))
        else:
            self._wishes.append((args, options, answer))
        return answer

    async def together(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Many commands in one write and one read, in order; a refused one answers its error.

        Cheaper than as many calls. They are all carried out, also if the caller is cancelled.
        """
        wishes: list[_Wish] = [(command, {}, _NOBODY) for command in commands]
        task = asyncio.get_running_loop().create_task(self._at_once(wishes))
        self._bulk.add(task)
        task.add_done_callback(self._bulk_done)
        return await asyncio.shield(task)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001  redis-py's
        """Wait for the batches under way, then close."""
        self._closing = True
        self._flush()
        while self._lanes or self._bulk:
            for resting in self._resting:
                _ring(resting)
            await asyncio.wait(self._lanes | self._bulk)
        self._closing = False
        await super().aclose(close_connection_pool)

    # Lanes

    def _flush(self) -> None:
        """Have the wishes of this tick taken; if every lane is busy, the first free one will."""
        self._scheduled = False
        for _ in range(0, len(self._wishes), MAX_BATCH):
            if not self._rung() and not self._opened():
                break

    def _rung(self) -> bool:
        while self._resting:
            if _ring(self._resting.pop()):
                return True
        return False

    def _opened(self) -> bool:
        if len(self._lanes) >= MAX_LANES:
            return False
        lane = asyncio.get_running_loop().create_task(self._lane(), name="redis-lane")
        self._lanes.add(lane)
        lane.add_done_callback(self._lane_done)
        return True

    def _lane_done(self, lane: "asyncio.Task[None]") -> None:
        self._lanes.discard(lane)
        if not lane.cancelled():
            lane.exception()  # its batch has been told
        self._flush()

    async def _lane(self) -> None:
        """Carry out batch after batch on one connection, until there has been none for a while."""
        pool: Any = self.connection_pool
        try:
            connection = await pool.get_connection()
        except Exception as error:  # noqa: BLE001  whatever it is, each caller is to know
            self._failed(self._next_batch(), error)
            return
        try:
            while self._wishes or await self._rested():
                await self._carry_out(connection, self._next_batch())
                if connection.should_reconnect():  # a failover is announced: the pool sees to it
                    break
        finally:
            await pool.release(connection)

    def _next_batch(self) -> list[_Wish]:
        batch = self._wishes[:MAX_BATCH]
        del self._wishes[:MAX_BATCH]
        return [wish for wish in batch if not wish[2].done()]

    async def _rested(self) -> bool:
        """Wait for work; whether there is some."""
        if self._closing:
            return False
        bell = asyncio.get_running_loop().create_future()
        self._resting.append(bell)
        try:
            async with asyncio.timeout(REST_SECONDS):
                await bell
        except TimeoutError:
            pass
        finally:
            if bell in self._resting:
                self._resting.remove(bell)
        return bool(self._wishes)

    async def _carry_out(self, connection: Any, batch: list[_Wish]) -> None:
        try:
            answers = await _exchange(connection, batch)
        except Exception as error:  # noqa: BLE001  as above
            self._failed(batch, error)
        except asyncio.CancelledError:
            _fail(batch, RedisConnectionError("the client was closed"))
            raise
        else:
            self._answer(batch, answers)

    def _failed(self, batch: list[_Wish], error: Exception) -> None:
        """A Redis that hangs would make each caller wait, one after the other."""
        _fail(batch, error)
        if isinstance(error, RedisTimeoutError) and not self._silent:
            self._silent = True
            asyncio.get_running_loop().call_later(SILENCE_SECONDS, self._listen_again)
            waiting, self._wishes = self._wishes, []
            _fail(waiting, RedisTimeoutError(SILENT))

    def _listen_again(self) -> None:
        self._silent = False

    def _answer(self, batch: list[_Wish], replies: list[Any]) -> None:
        for (args, options, answer), reply in zip(batch, replies, strict=True):
            if answer.done():
                continue  # cancelled meanwhile
            try:
                read = self._read(args[0], options, reply)
            except Exception as error:  # noqa: BLE001  the caller's business
                read = error
            if isinstance(read, Exception):
                answer.set_exception(read)
            else:
                answer.set_result(read)

    def _read(self, command: str, options: dict[str, Any], reply: Any) -> Any:
        """What redis-py makes of a reply; an error stays what it is."""
        read = self.response_callbacks.get(command)
        if read is None or isinstance(reply, Exception):
            return reply
        for ours in _OURS:
            options.pop(ours, None)
        return read(reply, **options)

    # Bulk

    async def _at_once(self, wishes: list[_Wish]) -> list[Any]:
        pool: Any = self.connection_pool
        connection = await pool.get_connection()
        try:
            replies = await _exchange(connection, wishes)
        finally:
            await pool.release(connection)
        return [
            self._read(args[0], options, reply)
            for (args, options, _), reply in zip(wishes, replies, strict=True)
        ]

    def _bulk_done(self, task: "asyncio.Task[Any]") -> None:
        self._bulk.discard(task)
        if not task.cancelled():
            task.exception()  # seen, also if the caller has gone


async def _exchange(connection: Any, wishes: list[_Wish]) -> list[Any]:
    """Replies in order, errors among them; as redis-py's pipeline, with its retries.

    Raises:
        RedisError: nothing, or nobody knows how much, was carried out.
    """
    written = b"".join([_packed(args) for args, _, _ in wishes])

    async def once() -> list[Any]:
        if not connection.is_connected:
            await connection.connect()
        try:
            async with asyncio.timeout(connection.socket_timeout):
                return await _written_and_read(connection, written, len(wishes))
        except TimeoutError as error:
            raise RedisTimeoutError("Redis did not answer in time") from error
        except OSError as error:
            raise RedisConnectionError(f"the connection to Redis broke: {error}") from error

    whole = False
    try:
        replies: list[Any] = await connection.retry.call_with_retry(
            once, lambda _error: connection.disconnect()
        )
        whole = True
    finally:
        if not whole:  # replies that nobody read must not be the next caller's
            await connection.disconnect(nowait=True)
    return replies


async def _written_and_read(connection: Any, written: bytes, count: int) -> list[Any]:
    """Past redis-py's one task for each write and five coroutines for each reply.

    Its connection has no seam for that; writer and reader are those that it has opened itself.
    """
    connection._writer.write(written)  # noqa: SLF001  see above
    await connection._writer.drain()  # noqa: SLF001
    received = connection._parser._reader.gets  # noqa: SLF001
    replies: list[Any] = []
    while len(replies) < count:
        reply = received()
        if reply is NOT_ENOUGH_DATA:
            reply = await _next_reply(connection)
        elif isinstance(reply, _UNUSUAL):
            if isinstance(reply, RedisConnectionError):  # such as LOADING: not now
                raise reply
            await connection._parser.handle_push_response(reply)  # noqa: SLF001
            continue
        replies.append(reply)
    return replies


async def _next_reply(connection: Any) -> Any:
    try:
        return await connection.read_response(timeout=math.inf)
    except ResponseError as error:
        return error


def _packed(args: tuple[Any, ...]) -> bytes:
    if " " in args[0]:  # SCRIPT LOAD and the like are two words
        args = (*args[0].split(), *args[1:])
    packed: bytes = hiredis.pack_command(args)
    return packed


def _fail(batch: list[_Wish], error: Exception) -> None:
    for _, _, answer in batch:
        if not answer.done():
            answer.set_exception(error)


def _ring(bell: "asyncio.Future[None]") -> bool:
    """Whether somebody hears it; one whose rest is over has stopped to listen."""
    if bell.done():
        return False
    bell.set_result(None)
    return True
