"""redis-py, with the commands of one event-loop tick in one write and one read.

A command of its own costs redis-py about thirty microseconds, most of it for the connection. The
client stays redis-py: connections, TLS, retries and answers are its work.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

MAX_UNDER_WAY: Final = 4
"""Batches in flight; while there are so many, commands gather for the next one."""
MAX_BATCH: Final = 512


@dataclass(frozen=True, slots=True)
class _Wish:
    args: tuple[Any, ...]
    options: dict[str, Any]
    answer: "asyncio.Future[Any]"


class TickRedis(Redis):
    """For many short commands at once; blocking commands belong on a client of their own.

    A caller that is cancelled gives up its own answer only: the batch is sent and read by a task
    that nobody's cancellation reaches, so that no answer can come to the wrong caller.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._wishes: list[_Wish] = []
        self._scheduled = False
        self._sending: set[asyncio.Task[None]] = set()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Queue a command; the answer is a future."""
        loop = asyncio.get_running_loop()
        wish = _Wish(args, options, loop.create_future())
        self._wishes.append(wish)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return wish.answer

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

    def _sent(self, task: "asyncio.Task[None]") -> None:
        self._sending.discard(task)
        self._flush()

    async def _send(self, batch: list[_Wish]) -> None:
        pipe = self.pipeline(transaction=False)
        wanted = [wish for wish in batch if not wish.answer.done()]
        for wish in wanted:
            pipe.execute_command(*wish.args, **wish.options)
        try:
            answers = await pipe.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001  whatever it is, each caller is to know
            answers = [error] * len(wanted)
        except asyncio.CancelledError:
            _answer(wanted, [RedisConnectionError("the client was closed")] * len(wanted))
            raise
        _answer(wanted, answers)


def _answer(wishes: list[_Wish], answers: list[Any]) -> None:
    for wish, answer in zip(wishes, answers, strict=True):
        if wish.answer.done():
            continue  # cancelled meanwhile
        if isinstance(answer, Exception):
            wish.answer.set_exception(answer)
        else:
            wish.answer.set_result(answer)
