"""Count the reservations of an account that were not used (pure)."""

from dataclasses import dataclass, replace
from typing import Final

LAPSE_SECONDS: Final = 24 * 3600
"""Seconds for which a reservation that was not used counts against its account."""


@dataclass(frozen=True, slots=True)
class Lapses:
    """Count reservations that were not used, within a day."""

    since: int = 0
    """When the first of them expired (UNIX seconds)."""
    count: int = 0

    def at(self, at: int) -> int:
        """Return how many count at a time (UNIX seconds)."""
        return self.count if at < self.until else 0

    @property
    def until(self) -> int:
        """When they stop counting (UNIX seconds)."""
        return self.since + LAPSE_SECONDS

    def one_more(self, at: int) -> "Lapses":
        """Return the count after one more reservation expired."""
        return Lapses(at, 1) if at >= self.until else replace(self, count=self.count + 1)
