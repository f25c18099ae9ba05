"""Run the gateway's background tasks, and start one that fails again."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

FIRST_PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 30.0
"""Pauses before a failing task is started again double from the first up to this."""
STABLE_SECONDS: Final = 60.0
"""A task that has run this long after a failure is healthy again."""

Work = Callable[[], Coroutine[Any, Any, None]]
"""Runs until it is cancelled."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Failure:
    reason: str
    at: float
    count: int = 1
    """Failures in a row, each less than `STABLE_SECONDS` after the one before."""


@dataclass(slots=True)
class BackgroundTasks:
    """Keep tasks running for the life of the process, whatever ends them."""

    works: Mapping[str, Work]
    """Name of the task -> its work."""
    clock: Callable[[], float] = time.monotonic
    """Seconds."""
    _failures: dict[str, _Failure] = field(default_factory=dict)

    @property
    def failing(self) -> dict[str, str]:
        """Tasks that have ended within the last minute: name -> reason."""
        now = self.clock()
        return {
            name: failure.reason
            for name, failure in self._failures.items()
            if now - failure.at < STABLE_SECONDS
        }

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the tasks while the context is entered."""
        tasks = [
            asyncio.create_task(self._supervise(name, work), name=name)
            for name, work in self.works.items()
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _supervise(self, name: str, work: Work) -> None:
        while True:
            try:
                await work()
                reason = "it ended by itself"
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                log.exception("background_task_failed", task=name)
            await asyncio.sleep(self._record(name, reason))

    def _record(self, name: str, reason: str) -> float:
        """Record a failure; return the seconds to wait before the task is started again."""
        failure, now = _Failure(reason, self.clock()), self.clock()
        last = self._failures.get(name)
        if last is not None and now - last.at < STABLE_SECONDS:
            failure.count = last.count + 1
        self._failures[name] = failure
        return float(
            min(FIRST_PAUSE_SECONDS * 2.0 ** min(failure.count - 1, 10), MAX_PAUSE_SECONDS)
        )
