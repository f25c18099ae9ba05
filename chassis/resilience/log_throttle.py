"""Throttle log lines that would otherwise be written for every request of an outage."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class LogThrottle:
    """Let one log line per interval through, with the number of occurrences since the last one."""

    seconds: float = 1.0
    """Length of the interval."""
    clock: Callable[[], float] = time.monotonic
    _count: int = 0
    _next: float = float("-inf")

    def count_if_due(self) -> int:
        """Count an occurrence; return how many to report in a log line now, 0 for no line."""
        self._count += 1
        now = self.clock()
        if now < self._next:
            return 0
        count, self._count, self._next = self._count, 0, now + self.seconds
        return count
