"""Gather single entries of many callers into batch calls, with a future for each caller."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")

MAX_ENTRIES = 10
BRIEF = 0.005
"""Seconds; negligible compared with the latency of a call."""
WORTH_IT = 4
"""Lingers within which ten items must have arrived, so that some will arrive within one."""


class _Waiting(NamedTuple, Generic[T, R]):
    item: T
    weight: int
    result: "asyncio.Future[R]"


class Coalescer(Generic[T, R]):
    """Gather items until ten are there, the bytes are full or the linger has passed.

    Args:
        send: Sends at most ten items and answers one result or error per item, in order.
        linger: Seconds that the first item waits for company.
        serial: Keep one call in flight at a time, in order of arrival. An item that finds none
            in flight does not linger; items that gathered meanwhile linger for more, but
            hardly while few come: quick when idle, full under load.
        max_bytes: Bytes of one call, None for no limit.
    """

    def __init__(
        self,
        send: Callable[[Sequence[T]], Awaitable[Sequence[R | BaseException]]],
        *,
        linger: float = 0.0,
        serial: bool = False,
        max_bytes: int | None = None,
    ) -> None:
        self._send = send
        self._linger = linger
        self._serial = serial
        self._max_bytes = max_bytes
        self._waiting: deque[_Waiting[T, R]] = deque()
        self._bytes = 0
        self._arrivals: deque[float] = deque(maxlen=MAX_ENTRIES)
        self._calls: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Handle | None = None

    @property
    def backlog(self) -> int:
        """The number of items that wait for a call, not counting those in a call."""
        return len(self._waiting)

    def submit(self, item: T, weight: int = 0) -> "asyncio.Future[R]":
        """Queue one item of `weight` bytes; the future has its result or its error."""
        loop = asyncio.get_running_loop()
        waiting: _Waiting[T, R] = _Waiting(item, weight, loop.create_future())
        self._waiting.append(waiting)
        self._bytes += weight
        self._arrivals.append(loop.time())
        if self._full():
            self._pump()
        elif self._timer is None and self._may_call():  # else the end of the call sets one
            linger = 0.0 if self._serial else self._linger
            self._timer = loop.call_later(linger, self._expire)
        return waiting.result

    async def flush(self) -> None:
        """Send all waiting items now; return when everything submitted so far is complete."""
        answers: list[asyncio.Future[Any]] = [waiting.result for waiting in self._waiting]
        self._pump(partial=True)
        answers += self._calls
        if answers:
            await asyncio.wait(answers)

    async def drain(self) -> None:
        """Return when no item waits and no call is in flight; submit nothing meanwhile."""
        while self._waiting or self._calls:
            await self.flush()

    def hurry(self) -> None:
        """Stop lingering, from now on."""
        self._linger = 0.0
        self._pump(partial=True)

    def _full(self) -> bool:
        return len(self._waiting) >= MAX_ENTRIES or (
            self._max_bytes is not None and self._bytes > self._max_bytes
        )

    def _expire(self) -> None:
        self._timer = None
        self._pump(partial=True)

    def _pump(self, *, partial: bool = False) -> None:
        while (self._full() or (partial and self._waiting)) and self._may_call():
            task = asyncio.get_running_loop().create_task(self._call(self._take()))
            self._calls.add(task)
            task.add_done_callback(self._called)
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _may_call(self) -> bool:
        return not (self._serial and self._calls)

    def _called(self, task: "asyncio.Task[None]") -> None:
        self._calls.discard(task)
        if not (self._serial and self._waiting):
            return
        if self._full():
            self._pump()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._patience(loop.time()), self._expire)

    def _patience(self, now: float) -> float:
        """Return the seconds to linger; almost none while items are too rare to share a call."""
        many = len(self._arrivals) == MAX_ENTRIES
        if many and now - self._arrivals[0] <= WORTH_IT * self._linger:
            return self._linger
        return min(self._linger, BRIEF)

    def _take(self) -> list[_Waiting[T, R]]:
        batch = [self._pop()]
        weight = batch[0].weight
        while self._waiting and len(batch) < MAX_ENTRIES:
            weight += self._waiting[0].weight
            if self._max_bytes is not None and weight > self._max_bytes:
                break
            batch.append(self._pop())
        return batch

    def _pop(self) -> _Waiting[T, R]:
        waiting = self._waiting.popleft()
        self._bytes -= waiting.weight
        return waiting

    async def _call(self, batch: list[_Waiting[T, R]]) -> None:
        results: Sequence[R | BaseException]
        try:
            results = await self._send([waiting.item for waiting in batch])
        except BaseException as error:  # noqa: BLE001 - every caller receives it through its future
            results = [error] * len(batch)
        for waiting, result in zip(batch, results, strict=True):
            _settle(waiting.result, result)


def _settle(future: "asyncio.Future[R]", result: R | BaseException) -> None:
    if future.done():  # the caller was cancelled
        return
    if isinstance(result, asyncio.CancelledError):
        future.cancel()
    elif isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
