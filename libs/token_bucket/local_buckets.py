"""Count in this process while Redis is unavailable."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from token_bucket.charges import Charge, ChargePlan, Decision
from token_bucket.limits import Limit

MAX_LOCAL_BUCKETS: Final = 20_000
"""Above this number the bucket that was charged least recently is dropped."""


@dataclass(slots=True)
class LocalBuckets:
    """Decide as take.lua does, with buckets of one process that holds `1 / workers` of a limit."""

    workers: int
    clock: Callable[[], float]
    _full_at: dict[tuple[str, str], float] = field(default_factory=dict)
    """(Owner, name of the limit) to the time at which the bucket is full again."""

    def take(self, plan: ChargePlan, owner: str) -> Decision:
        """Debit every bucket of the plan, or none of them."""
        now = self.clock()
        charges = [
            Charge(limit, owner, cost) for limit, cost in zip(plan.limits, plan.costs, strict=True)
        ]
        rows = [self._row(charge, now) for charge in charges]
        admitted = all(
            row[0] or charge.limit.shadow for charge, row in zip(charges, rows, strict=True)
        )
        if admitted:
            for charge in charges:
                self._debit(charge, now)
        return Decision(plan, [int(admitted), *(part for row in rows for part in row)])

    def _row(self, charge: Charge, now: float) -> tuple[int, int, int, int]:
        """Return the numbers that take.lua returns for a bucket."""
        limit, share = charge.limit, self._share(charge.limit)
        full_in = max(self._full_at.get(_key(charge), now) - now, 0.0)
        after = full_in + charge.cost * limit.window / share
        remaining = math.floor((limit.window - full_in) * share / limit.window)
        wait = max(after - limit.window, 0.0)
        return (
            int(after <= limit.window),
            remaining,
            math.ceil(full_in * 1000),
            math.ceil(wait * 1000),
        )

    def _debit(self, charge: Charge, now: float) -> None:
        key = _key(charge)
        full_at = max(self._full_at.pop(key, now), now)
        while len(self._full_at) >= MAX_LOCAL_BUCKETS:
            del self._full_at[next(iter(self._full_at))]
        share = self._share(charge.limit)
        self._full_at[key] = full_at + charge.cost * charge.limit.window / share

    def _share(self, limit: Limit) -> float:
        return max(limit.quantity / self.workers, 1.0)


def _key(charge: Charge) -> tuple[str, str]:
    return charge.owner, charge.limit.name
