"""Compare things that take short turns, by the ratio of each round.

The speed of a shared machine changes within seconds, up to twofold. Figures that were measured at
different times cannot be compared, and neither can their medians; what was measured in one round
can, as its turns are next to each other.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

T = TypeVar("T")


def turns(things: Sequence[T], number: int) -> Sequence[T]:
    """Return the order of round `number`: each second round is the reverse of the first.

    What a thing gains from its place in one round, it loses in the next one.
    """
    return things if number % 2 == 0 else things[::-1]


@dataclass(frozen=True)
class Ratios:
    """Hold the ratio of two measurements in each round, in the order of the rounds."""

    rounds: tuple[float, ...]

    @classmethod
    def of(cls, measured: Sequence[float], others: Sequence[float]) -> Self:
        """Divide what was measured in each round by what was measured of the other thing.

        Raises:
            ValueError: The numbers of rounds differ.
        """
        return cls(tuple(one / other for one, other in zip(measured, others, strict=True)))

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Lower and upper quartile of the rounds."""
        if len(self.rounds) == 1:
            return self.rounds[0], self.rounds[0]
        low, _, high = statistics.quantiles(self.rounds, n=4, method="inclusive")
        return low, high

    def __str__(self) -> str:
        low, high = self.quartiles
        return (
            f"{self.median:.2f} (half of the rounds {low:.2f} to {high:.2f}, "
            f"all {min(self.rounds):.2f} to {max(self.rounds):.2f})"
        )
