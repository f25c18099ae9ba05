"""Extend the visibility timeout of received messages until they are settled."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from faststream_sqs.client import is_missing_queue, may_be_one_entry
from faststream_sqs.coalescer import MAX_ENTRIES
from faststream_sqs.exceptions import EntryFailedError
from faststream_sqs.message import Outcome, SQSRawMessage

# SQS keeps no receive longer than this, however often it is extended
LONGEST_HOLD = 43_200
_SHORTEST_BEAT = 0.5

Extend = Callable[
    [str, Sequence[tuple[SQSRawMessage, int]]], Awaitable[Sequence[BaseException | None]]
]


class LeaseKeeper:
    """Extend held messages every half visibility timeout, ten in a call.

    Args:
        extend: Changes the visibility of at most ten messages of one queue.
        on_failure: Called with messages that could not be extended, and the error.
    """

    def __init__(
        self,
        extend: Extend,
        on_failure: Callable[[SQSRawMessage, BaseException], None],
    ) -> None:
        self.timeout = 30
        self.enabled = True
        self._extend = extend
        self._on_failure = on_failure
        self._kept: set[SQSRawMessage] = set()
        self._due: dict[SQSRawMessage, float] = {}
        self._failing: set[SQSRawMessage] = set()
        self._beating: dict[SQSRawMessage, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def _interval(self) -> float:
        return max(self.timeout / 2, _SHORTEST_BEAT)

    def hold(self, message: SQSRawMessage, seconds: int | None = None) -> None:
        """Start or restart extending a message that is invisible for `seconds` from now."""
        now = asyncio.get_running_loop().time()
        invisible = self.timeout if seconds is None else seconds
        message.expires_at = now + invisible
        if self.enabled:
            self._kept.add(message)
            self._plan(message, now + max(invisible - self._interval, invisible / 2))

    def drop(self, message: SQSRawMessage) -> None:
        """Stop extending; an extension in flight may still take effect."""
        self._kept.discard(message)
        self._failing.discard(message)
        self._due.pop(message, None)

    async def surrender(self, message: SQSRawMessage) -> None:
        """Stop extending and wait for an extension in flight, which could overwrite a delay."""
        self.drop(message)
        if beat := self._beating.get(message):
            await asyncio.wait([beat])

    async def close(self) -> None:
        """Stop extending all messages and end the task."""
        self._kept.clear()
        self._failing.clear()
        self._due.clear()
        self._disarm()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _plan(self, message: SQSRawMessage, due: float) -> None:
        self._due[message] = due
        if self._timer is not None and due < self._timer.when():
            self._disarm()
        self._arm()

    def _arm(self) -> None:
        if self._timer is None and self._due:
            first = min(self._due.values())
            self._timer = asyncio.get_running_loop().call_at(first, self._beat)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        horizon = loop.time() + self._interval * 0.2
        by_queue: dict[str, list[SQSRawMessage]] = {}
        for message, due in tuple(self._due.items()):
            if due <= horizon:
                del self._due[message]
                by_queue.setdefault(message.queue_url, []).append(message)
        for url, messages in by_queue.items():
            for start in range(0, len(messages), MAX_ENTRIES):
                self._start(url, messages[start : start + MAX_ENTRIES])
        self._arm()

    def _start(self, url: str, messages: list[SQSRawMessage]) -> None:
        task = asyncio.get_running_loop().create_task(self._keep(url, messages))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        for message in messages:
            self._beating[message] = task

    async def _keep(self, url: str, messages: list[SQSRawMessage]) -> None:
        now = asyncio.get_running_loop().time()
        items = [
            (message, seconds) for message in messages if (seconds := self._more(message, now))
        ]
        try:
            results = await self._extend(url, items) if items else []
        except Exception as error:  # noqa: BLE001 - noted per message below
            results = [error] * len(items)
        finally:
            for message in messages:
                self._beating.pop(message, None)
        for (message, seconds), result in zip(items, results, strict=True):
            if message in self._kept:
                self._note(message, now + seconds, result)

    def _more(self, message: SQSRawMessage, now: float) -> int:
        held = int(now - message.received_at) + 1
        return max(min(self.timeout, LONGEST_HOLD - held), 0)

    def _note(self, message: SQSRawMessage, until: float, result: BaseException | None) -> None:
        if result is None:
            message.expires_at = until
            self._failing.discard(message)
            self._plan(message, until - self.timeout + self._interval)
            return
        if message.outcome is not None:
            return  # deleted meanwhile
        if message not in self._failing:  # reported once, not at every attempt
            self._failing.add(message)
            self._on_failure(message, result)
        if _may_retry(result):
            soon = min(1.0, self._interval / 2)
            self._plan(message, asyncio.get_running_loop().time() + soon)
        else:
            self.drop(message)
            message.outcome = Outcome.LOST


def _may_retry(error: BaseException) -> bool:
    """Return whether the message may still be held: the error is not about this message."""
    if isinstance(error, EntryFailedError):
        return not error.sender_fault
    # refused credentials, for example, concern every call until they are renewed
    return not (may_be_one_entry(error) or is_missing_queue(error))
