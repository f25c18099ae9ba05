"""Count durations in buckets, without the locks and label objects of prometheus_client."""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 25)
"""Upper bounds of the buckets, in seconds; a last bucket has none."""


@dataclass(slots=True)
class Durations:
    """Count the durations with the same labels."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    """Number of durations in each bucket."""
    seconds: float = 0.0
    """Sum of all durations."""


@dataclass(slots=True, eq=False)
class TimeHistogram:
    """Measure durations as prometheus_client's Histogram does, for a fraction of its CPU.

    Only the event loop's thread may count here; the library's class costs a twentieth of a read.
    """

    rows: dict[tuple[object, ...], Durations] = field(default_factory=dict)
    """Labels -> durations."""

    def observe(self, labels: tuple[object, ...], seconds: float) -> None:
        """Count one duration."""
        row = self.rows.get(labels)
        if row is None:
            row = self.rows[labels] = Durations()
        row.counts[bisect_left(BOUNDS, seconds)] += 1
        row.seconds += seconds
