"""Count in this process while Redis is unavailable."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from token_bucket.charges import Charge, ChargePlan, Decision
from token_bucket.limits import Limit

MAX_LOCAL_BUCKETS: Final = 20_000
"""Above this number the bucket that was charged least recently is dropped."""


class _Bucket(NamedTuple):
    full_at: float
    """Time at which the bucket is full again."""
    token_seconds: float
    """Seconds in which a token is refilled, by the limit that `full_at` was computed by."""


@dataclass(slots=True)
class LocalBuckets:
    """Decide as take.lua does, with buckets of one process that holds `1 / workers` of a limit."""

    workers: int
    clock: Callable[[], float]
    _buckets: dict[str, _Bucket] = field(default_factory=dict)
    """By the key that the bucket has in Redis."""

    def take(self, plan: ChargePlan, keys: Sequence[str]) -> Decision:
        """Debit every bucket of the plan, or none of them; `keys` are those of take.lua."""
        now = self.clock()
        charges = [
            Charge(limit, key, cost)
            for limit, key, cost in zip(plan.limits, keys, plan.costs, strict=True)
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
        full_in = self._full_in(charge, now)
        after = full_in + charge.cost * limit.window / share
        remaining = math.floor((limit.window - full_in) * share / limit.window)
        wait = max(after - limit.window, 0.0)
        return (
            int(after <= limit.window),
            remaining,
            math.ceil(full_in * 1000),
            math.ceil(wait * 1000),
        )

    def _full_in(self, charge: Charge, now: float) -> float:
        """Return the seconds until a bucket is full, by the limit as it is now.

        If the limit has changed, the missing tokens stay missing, as in take.lua.
        """
        limit, bucket = charge.limit, self._buckets.get(charge.owner)
        if bucket is None or bucket.full_at <= now:
            return 0.0
        token_seconds = limit.window / self._share(limit)
        if token_seconds == bucket.token_seconds:
            return bucket.full_at - now
        missing = (bucket.full_at - now) / bucket.token_seconds
        full_in = min(missing * token_seconds, limit.window)
        self._buckets[charge.owner] = _Bucket(now + full_in, token_seconds)
        return full_in

    def _debit(self, charge: Charge, now: float) -> None:
        limit, key = charge.limit, charge.owner
        token_seconds = limit.window / self._share(limit)
        full_at = now + self._full_in(charge, now) + charge.cost * token_seconds
        self._buckets.pop(key, None)
        while len(self._buckets) >= MAX_LOCAL_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[key] = _Bucket(full_at, token_seconds)

    def _share(self, limit: Limit) -> float:
        return max(limit.quantity / self.workers, 1.0)
