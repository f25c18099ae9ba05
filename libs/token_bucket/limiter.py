"""Asks Redis whether there is room, and stands in for it while it is away."""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final, NamedTuple

import orjson
import structlog
from redis.exceptions import NoScriptError, RedisError

from token_bucket.limits import Limit, Outage, Scope, Table

OVERRIDES: Final = "gateway:limits"
"""A Redis hash: name of a limit -> `240/60` or `240/60;shadow`."""
LOOK_SECONDS: Final = 5.0
WARNING_SECONDS: Final = 1.0
"""At most one log line in this time reports that Redis is unavailable."""
MAX_LOCAL_BUCKETS: Final = 20_000
_TAKE: Final = files("token_bucket").joinpath("take.lua").read_text()
_SHA: Final = hashlib.sha1(_TAKE.encode(), usedforsecurity=False).hexdigest()
_FIELDS: Final = 4

log = structlog.get_logger(__name__)


class Charge(NamedTuple):
    """A claim on one bucket: of whom, and how much. Cost 0 only looks."""

    limit: Limit
    owner: str
    cost: int = 1


class Level(NamedTuple):
    """How a bucket stands after a charge: seconds until it is full, and until the charge fits."""

    limit: Limit
    fits: bool
    left: int
    full_in: float
    wait: float


class Plan(NamedTuple):
    """Limits that are always charged together, with what can be prepared of that."""

    limits: tuple[Limit, ...]
    policy: str
    """For the header `RateLimit-Policy`."""
    names: tuple[str, ...]
    """What the keys end with."""
    arguments: tuple[str, ...]
    costs: tuple[int, ...]
    head: str | None
    """What `RateLimit` begins with, if there is one limit and it is told."""
    strict: bool
    """Nothing is in shadow mode: who is admitted had room everywhere."""


class Plans(NamedTuple):
    """The plans of a list of limits, by whose buckets they are."""

    address: Plan | None
    person: Plan | None


@dataclass(slots=True)
class Verdict:
    """The answer to a charge; nearly all are looked at for one thing only."""

    plan: Plan
    answer: Sequence[int]
    """As take.lua has it."""

    @property
    def admitted(self) -> bool:
        return self.answer[0] == 1

    @property
    def levels(self) -> list[Level]:
        rows = zip(*[iter(self.answer[1:])] * _FIELDS, strict=True)
        return [
            Level(limit, fits == 1, left, full / 1000, wait / 1000)
            for limit, (fits, left, full, wait) in zip(self.plan.limits, rows, strict=True)
        ]

    @property
    def refusing(self) -> list[Level]:
        return [level for level in self.levels if not level.fits and not level.limit.shadow]

    @property
    def retry_after(self) -> int:
        """FastResponse seconds, at least one."""
        return max(1, math.ceil(max((level.wait for level in self.refusing), default=1)))

    @property
    def standing(self) -> str:
        """What is left of each limit, and in how many seconds all of it is back: `RateLimit`."""
        if self.plan.head is not None:  # on the road of nearly every request
            return f"{self.plan.head}{max(0, self.answer[2])};t={self.answer[3] // 1000 + 1}"
        return ", ".join(
            f'"{limit.name}";r={max(0, left)};t={int(full_in) + 1}'
            for limit, _, left, full_in, _ in self.levels
            if not limit.shadow
        )


class Closed(Exception):  # noqa: N818  names what holds
    """Redis is away, and this is one of the things that nobody may do without its count."""


@dataclass(slots=True)
class Limiter:
    """Token buckets. The charges of one call are debited all or none.

    They must belong to one owner: their keys share a hash tag, so that one script may touch them
    in a cluster.
    """

    redis: Any
    table: Table
    workers: int = 1
    clock: Callable[[], float] = time.monotonic
    refused: Callable[[Limit], None] = lambda _limit: None
    """Told of every limit that had no room, those in shadow mode included."""
    _local: dict[str, float] = field(default_factory=dict)
    _plans: dict[tuple[tuple[str, ...], int], Plans] = field(default_factory=dict)
    _planned: int = -1
    _failures: int = 0
    _next_warning: float = float("-inf")

    async def take(self, *charges: Charge) -> Verdict:
        """Debit, if every bucket has room.

        Raises:
            Closed: Redis is away, and a limit among them is of the kind that closes then.
        """
        plan = _plan([charge.limit for charge in charges], [charge.cost for charge in charges])
        return await self.debit(plan, charges[0].owner)

    async def debit(self, plan: Plan, owner: str) -> Verdict:
        """As `take`, of one owner's buckets, by a plan that may have been made beforehand."""
        tag = "limit:{" + owner
        keys = [tag + name for name in plan.names]
        ask = self.redis.execute_command
        try:
            try:
                answer = await ask("EVALSHA", _SHA, len(keys), *keys, *plan.arguments)
            except NoScriptError:  # a restart or failover emptied the script cache
                answer = await ask("EVAL", _TAKE, len(keys), *keys, *plan.arguments)
        except RedisError as error:
            self._warn(error)
            return self._told(self._without_redis(plan, owner))
        verdict = Verdict(plan, orjson.loads(answer))
        return verdict if plan.strict and verdict.admitted else self._told(verdict)

    def plans(self, names: tuple[str, ...], cost: int = 1) -> Plans:
        """Those of the named limits that are the address's, and those that are the person's."""
        if self._planned != self.table.version:
            self._plans.clear()
            self._planned = self.table.version
        plans = self._plans.get((names, cost))
        if plans is None:
            limits = [self.table[name] for name in names]
            plans = Plans(
                _plan_of(limits, Scope.ADDRESS, cost), _plan_of(limits, Scope.PERSON, cost)
            )
            self._plans[names, cost] = plans
        return plans

    async def watch(self) -> None:
        """Follow the changes of limits in Redis, for ever; run as a task."""
        told: list[str] = []
        while True:
            try:
                stored = await self.redis.hgetall(OVERRIDES)
            except RedisError:
                stored = None  # the limits of a moment ago hold
            if stored is not None:
                refused = self.table.override({k.decode(): v.decode() for k, v in stored.items()})
                if refused and refused != told:
                    log.error("limits_not_understood", problems=refused)
                told = refused
            await asyncio.sleep(LOOK_SECONDS)

    def _warn(self, error: RedisError) -> None:
        """Log an outage, with the number of failed calls since the last line."""
        self._failures += 1
        now = time.monotonic()
        if now >= self._next_warning:
            because = str(error) or type(error).__name__
            log.warning("limits_without_redis", because=because, times=self._failures)
            self._failures, self._next_warning = 0, now + WARNING_SECONDS

    def _told(self, verdict: Verdict) -> Verdict:
        for level in verdict.levels:
            if not level.fits:
                self.refused(level.limit)
        return verdict

    def _without_redis(self, plan: Plan, owner: str) -> Verdict:
        if any(limit.outage is Outage.CLOSED for limit in plan.limits):
            raise Closed
        now = self.clock()
        charges = [
            Charge(limit, owner, cost) for limit, cost in zip(plan.limits, plan.costs, strict=True)
        ]
        rows = [self._look(charge, now) for charge in charges]
        admitted = all(
            row[0] or charge.limit.shadow for charge, row in zip(charges, rows, strict=True)
        )
        if admitted:
            for charge in charges:
                self._debit(charge, now)
        return Verdict(plan, [int(admitted), *(part for row in rows for part in row)])

    def _look(self, charge: Charge, now: float) -> tuple[int, int, int, int]:
        """A bucket in this worker, in the words of take.lua."""
        limit, share = charge.limit, self._share(charge.limit)
        full_in = max(self._local.get(_name(charge), now) - now, 0.0)
        after = full_in + charge.cost * limit.window / share
        left = math.floor((limit.window - full_in) * share / limit.window)
        wait = max(after - limit.window, 0.0)
        return int(after <= limit.window), left, math.ceil(full_in * 1000), math.ceil(wait * 1000)

    def _debit(self, charge: Charge, now: float) -> None:
        full_at = max(self._local.pop(_name(charge), now), now)
        while len(self._local) >= MAX_LOCAL_BUCKETS:
            del self._local[next(iter(self._local))]
        self._local[_name(charge)] = full_at + charge.cost * charge.limit.window / self._share(
            charge.limit
        )

    def _share(self, limit: Limit) -> float:
        return max(limit.quantity / self.workers, 1.0)


def _name(charge: Charge) -> str:
    return f"{charge.owner}:{charge.limit.name}"


def _plan_of(limits: Sequence[Limit], scope: Scope, cost: int) -> Plan | None:
    """What costs more than a bucket holds takes all of it, or nobody could ever ask for it."""
    chosen = [limit for limit in limits if limit.scope is scope]
    if not chosen:
        return None
    return _plan(chosen, [min(cost, limit.quantity) for limit in chosen])


def _plan(limits: Sequence[Limit], costs: Sequence[int]) -> Plan:
    arguments = [
        str(part)
        for limit, cost in zip(limits, costs, strict=True)
        for part in (limit.quantity, limit.window * 1_000_000, cost, 0 if limit.shadow else 1)
    ]
    policy = ", ".join(limit.policy for limit in limits if not limit.shadow)
    names = tuple("}:" + limit.name for limit in limits)
    strict = not any(limit.shadow for limit in limits)
    head = f'"{limits[0].name}";r=' if len(limits) == 1 and strict else None
    return Plan(tuple(limits), policy, names, tuple(arguments), tuple(costs), head, strict)
