"""Count the commands of this process by type and result, and measure how long they take."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from chassis.bus.time_histogram import TimeHistogram
from chassis.decide.decider import Rejected
from chassis.log.event_store import Conflict, UnknownEvent, UnreadableCommit
from chassis.resilience.outage import is_outage
from contracts.messages import Rejection


@dataclass(slots=True, eq=False)
class CommandCounts:
    """Count commands; a type or code is a word of the program, never of a person or a stream."""

    durations: TimeHistogram = field(default_factory=TimeHistogram)
    """(type, result) -> time from the delivery to the result, including outages that were waited
    out. Results: accepted, rejected, returned (to be delivered again), failed."""
    rejections: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(type, code) -> rejected commands."""
    clock: Callable[[], float] = perf_counter

    def decided(
        self, command: str, started: float, rejection: Rejection | Rejected | None = None
    ) -> None:
        """Count a command that was accepted, or rejected if there is a rejection."""
        result = "accepted" if rejection is None else "rejected"
        if rejection is not None:
            self.rejections[command, rejection.code] += 1
        self.durations.observe((command, result), self.clock() - started)

    def ended(self, command: str, started: float, error: BaseException) -> None:
        """Count a command whose handler raised an error."""
        if isinstance(error, Rejected):
            self.decided(command, started, error)
        else:
            result = "returned" if _is_delivered_again(error) else "failed"
            self.durations.observe((command, result), self.clock() - started)


COMMANDS: Final = CommandCounts()
"""The commands of this process."""


def _is_delivered_again(error: BaseException) -> bool:
    """Return whether the message waits for a dependency, another writer or a newer version."""
    if isinstance(error, UnreadableCommit):
        return False
    return isinstance(error, asyncio.CancelledError | Conflict | UnknownEvent) or is_outage(error)
