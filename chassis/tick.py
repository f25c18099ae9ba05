"""redis-py, with the commands of one event-loop tick in one write and one read.

A command of its own costs redis-py about thirty microseconds, most of it for the connection. The
client stays redis-py: connections, TLS, retries and answers are its work.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import hiredis
from redis.asyncio import Redis
from redis.client import NEVER_DECODE
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

MAX_UNDER_WAY: Final = 4
"""Batches in flight; while there are so many, commands gather for the next one."""
MAX_BATCH: Final = 512


class _Wish(NamedTuple):
    args: tuple[Any, ...]
    options: dict[str, Any]
    answer: "asyncio.Future[Any]"


_NOBODY: Any = None


class TickRedis(Redis):
    """For many short commands at once; blocking commands belong on a client of their own.

    A caller that is cancelled gives up its own answer only: the batch is sent and read by a task
    that nobody's cancellation reaches, so that no answer can come to the wrong caller.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._wishes: list[_Wish] = []
        self._scheduled = False
        self._sending: set[asyncio.Task[Any]] = set()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Queue a command; the answer is a future."""
        loop = asyncio.get_running_loop()
        wish = _Wish(args, options, loop.create_future())
        self._wishes.append(wish)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return wish.answer

    async def together(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Many commands in one write and one read, in order; a refused one answers its error.

        Cheaper than as many calls. They are all carried out, also if the caller is cancelled.
        """
        wishes = [_Wish(command, {}, _NOBODY) for command in commands]
        task = asyncio.get_running_loop().create_task(self._ask(wishes))
        self._sending.add(task)
        task.add_done_callback(self._sent)
        return await asyncio.shield(task)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001  redis-py's
        """Wait for the batches under way, then close."""
        self._flush()
        while self._sending:
            await asyncio.wait(self._sending)
        await super().aclose(close_connection_pool)

    def _flush(self) -> None:
        self._scheduled = False
        while self._wishes and len(self._sending) < MAX_UNDER_WAY:
            batch, self._wishes = self._wishes[:MAX_BATCH], self._wishes[MAX_BATCH:]
            task = asyncio.get_running_loop().create_task(self._send(batch))
            self._sending.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: "asyncio.Task[Any]") -> None:
        self._sending.discard(task)
        if not task.cancelled():
            task.exception()  # seen, also if the caller has gone
        self._flush()

    async def _send(self, batch: list[_Wish]) -> None:
        wanted = [wish for wish in batch if not wish.answer.done()]
        try:
            answers = await self._ask(wanted)
        except Exception as error:  # noqa: BLE001  whatever it is, each caller is to know
            answers = [error] * len(wanted)
        except asyncio.CancelledError:
            _answer(wanted, [RedisConnectionError("the client was closed")] * len(wanted))
            raise
        _answer(wanted, answers)

    async def _ask(self, wishes: list[_Wish]) -> list[Any]:
        """As redis-py's own pipeline, with one packing in C and one timer for the whole batch."""
        pool: Any = self.connection_pool
        connection = await pool.get_connection()
        written = b"".join([_packed(wish.args) for wish in wishes])

        async def exchange() -> list[Any]:
            await connection.send_packed_command(written)
            try:
                async with asyncio.timeout(connection.socket_timeout):
                    return [await self._reply(connection, wish) for wish in wishes]
            except TimeoutError as error:
                raise RedisTimeoutError("Redis did not answer in time") from error

        whole = False
        try:
            answers: list[Any] = await connection.retry.call_with_retry(
                exchange, lambda _error: connection.disconnect()
            )
            whole = True
        finally:
            if not whole:  # replies that nobody read must not be the next caller's
                await connection.disconnect(nowait=True)
            await pool.release(connection)
        return answers

    async def _reply(self, connection: Any, wish: _Wish) -> Any:
        try:
            reply = await connection.read_response(timeout=math.inf)
        except ResponseError as error:
            return error
        callback = self.response_callbacks.get(wish.args[0])
        if callback is None:
            return reply
        for ours in ("keys", NEVER_DECODE):  # words to the client, not to the reader of the reply
            wish.options.pop(ours, None)
        return callback(reply, **wish.options)


def _packed(args: tuple[Any, ...]) -> bytes:
    if " " in args[0]:  # SCRIPT LOAD and the like are two words
        args = (*args[0].split(), *args[1:])
    packed: bytes = hiredis.pack_command(args)
    return packed


def _answer(wishes: list[_Wish], answers: list[Any]) -> None:
    for wish, answer in zip(wishes, answers, strict=True):
        if wish.answer.done():
            continue  # cancelled meanwhile
        if isinstance(answer, Exception):
            wish.answer.set_exception(answer)
        else:
            wish.answer.set_result(answer)
