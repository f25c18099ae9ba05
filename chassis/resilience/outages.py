"""Track the outages of this process's dependencies: log each once, and report them."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from chassis.resilience.refusals import code_of, dependency_of, needs_operator, reason_of

_TASK: Final = "task "

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Outage:
    """Describe what currently keeps operations of this process from succeeding."""

    name: str
    """The dependency, such as `redis`, or the background task that fails."""
    code: str
    """Code of the refusal, such as `OOM`, or the name of the error's class."""
    reason: str
    """What the dependency said, in one line."""
    since: float
    """Time of the first refusal, by the clock of the registry."""
    waiting: set[object] = field(default_factory=set)
    """Operations that have failed and not succeeded since."""


@dataclass(slots=True, eq=False)
class Outages:
    """Register failed operations; an outage lasts until the last of them has succeeded.

    The start and the end of an outage are logged once, however many operations it interrupts.
    """

    clock: Callable[[], float] = time.monotonic
    totals: Counter[str] = field(default_factory=Counter)
    """Name -> number of outages that have begun."""
    _ended_seconds: dict[str, float] = field(default_factory=dict)
    _current: dict[tuple[str, str], Outage] = field(default_factory=dict)
    _pauses: set["asyncio.Future[None]"] = field(default_factory=set)
    stopping: bool = False
    """True while the process stops: an operation that an outage interrupts is not repeated."""

    @property
    def current(self) -> list[Outage]:
        """Return the outages that have not ended, the oldest first."""
        return list(self._current.values())

    @property
    def reasons(self) -> dict[str, str]:
        """Return name -> reason of the outages that have not ended."""
        return {outage.name: outage.reason for outage in reversed(self.current)}

    def seconds(self) -> dict[str, float]:
        """Return name -> seconds spent in outages, including those that have not ended."""
        seconds: dict[str, float] = dict.fromkeys(self.totals, 0.0)
        for name, ended in self._ended_seconds.items():
            seconds[name] += ended
        for outage in self.current:
            seconds[outage.name] += self.clock() - outage.since
        return seconds

    def failed(self, operation: object, error: BaseException, *, task: str | None = None) -> None:
        """Record that an operation has failed; `task` names a task that fails by its own error."""
        name = f"{_TASK}{task}" if task else dependency_of(error)
        key = name, code_of(error)
        self._leave(operation, succeeded=True, unless=key)
        outage = self._current.get(key)
        if outage is None:
            outage = Outage(name, key[1], reason_of(error), self.clock())
            self._current[key] = outage
            self.totals[name] += 1
            _log_start(outage, error)
        outage.waiting.add(operation)

    def succeeded(self, operation: object) -> None:
        """Record that an operation which had failed has succeeded now."""
        if self._current:
            self._leave(operation, succeeded=True)

    def abandoned(self, operation: object) -> None:
        """Forget an operation that is not attempted any more; the end of its outage is unknown."""
        if self._current:
            self._leave(operation, succeeded=False)

    @contextmanager
    def stop(self) -> Iterator[None]:
        """End all pauses while the process stops; their operations raise the outage at once."""
        self.stopping = True
        for pause in self._pauses:
            if not pause.done():
                pause.set_result(None)
        try:
            yield
        finally:
            self.stopping = False

    async def pause(self, seconds: float) -> None:
        """Wait before the next attempt, or until the process stops."""
        if self.stopping:
            return
        pause = asyncio.get_running_loop().create_future()
        self._pauses.add(pause)
        try:
            await asyncio.wait([pause], timeout=seconds)
        finally:
            self._pauses.discard(pause)

    def _leave(
        self, operation: object, *, succeeded: bool, unless: tuple[str, str] | None = None
    ) -> None:
        for key, outage in list(self._current.items()):
            if key == unless or operation not in outage.waiting:
                continue
            outage.waiting.discard(operation)
            if not outage.waiting:
                self._end(key, outage, succeeded=succeeded)

    def _end(self, key: tuple[str, str], outage: Outage, *, succeeded: bool) -> None:
        del self._current[key]
        seconds = self.clock() - outage.since
        self._ended_seconds[outage.name] = self._ended_seconds.get(outage.name, 0.0) + seconds
        if succeeded:
            event = "task_recovered" if outage.name.startswith(_TASK) else "outage_ended"
            log.info(event, name=outage.name, code=outage.code, seconds=round(seconds, 3))


OUTAGES: Final = Outages()
"""The outages of this process."""


def _log_start(outage: Outage, error: BaseException) -> None:
    fields = {"name": outage.name, "code": outage.code, "because": outage.reason}
    if outage.name.startswith(_TASK):
        log.error("task_failed", **fields, exc_info=error)
    elif needs_operator(error):
        log.error("outage_started", **fields)
    else:
        log.warning("outage_started", **fields)
