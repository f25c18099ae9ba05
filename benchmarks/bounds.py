"""Print the bounds of a benchmark, each with what was measured and whether it holds.

A bound is an exact count or a ratio of two measurements of one run, never an absolute time: a slow
machine slows both sides of a ratio. A bound that holds what is reached can have a goal beyond it; a
decision says why the goal is missed.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """Describe a measured number with its lower and upper limit."""

    name: str
    measured: float
    least: float | None = None
    most: float | None = None
    goal: float | None = None
    """Number to reach, beyond the limit."""

    @property
    def reaches_goal(self) -> bool:
        if self.goal is None:
            return True
        return self.measured <= self.goal if self.least is None else self.measured >= self.goal

    @property
    def holds(self) -> bool:
        enough = self.least is None or self.measured >= self.least
        return enough and (self.most is None or self.measured <= self.most)

    def __str__(self) -> str:
        limits = [f"at least {self.least:g}"] if self.least is not None else []
        limits += [f"at most {self.most:g}"] if self.most is not None else []
        if self.goal is not None:
            limits.append(f"goal {self.goal:g} {'reached' if self.reaches_goal else 'missed'}")
        sign = "ok    " if self.holds else "BROKEN"
        return f"  {sign}  {self.name:<56}{self.measured:>8.2f}   {' and '.join(limits)}"


def check_bounds(*bounds: Bound) -> int:
    """Print every bound; return the exit code, 1 if one is broken."""
    print("\nBounds\n")
    for bound in bounds:
        print(bound)
    broken = sum(not bound.holds for bound in bounds)
    print(f"\n{broken} of {len(bounds)} bounds are broken" if broken else "\nall bounds hold")
    return 1 if broken else 0
