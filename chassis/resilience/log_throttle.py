"""Lines of the log that would say the same for every request of an outage."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class LogThrottle:
    """Lets one in so many seconds be told, with how many there were."""

    seconds: float = 1.0
    clock: Callable[[], float] = time.monotonic
    _count: int = 0
    _next: float = float("-inf")

    def times(self) -> int:
        """How often it has happened since it was told; 0: it need not be told now."""
        self._count += 1
        now = self.clock()
        if now < self._next:
            return 0
        count, self._count, self._next = self._count, 0, now + self.seconds
        return count
