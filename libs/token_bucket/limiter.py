"""Limit rates with token buckets in Redis, and in this process while Redis is unavailable."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

import orjson
import structlog
from redis.exceptions import NoScriptError, RedisError

from token_bucket.charges import (
    Charge,
    ChargePlan,
    Decision,
    Group,
    ScopedPlans,
    plan_by_scope,
    plan_charges,
)
from token_bucket.limits import Limit, LimitTable, OutagePolicy
from token_bucket.local_buckets import LocalBuckets

OVERRIDES_KEY: Final = "token_bucket:overrides"
POLL_SECONDS: Final = 5.0
"""How often `watch_overrides` reads the overrides."""
WARNING_SECONDS: Final = 1.0
"""At most one log line in this time reports that Redis is unavailable."""
TAKE_SCRIPT: Final = files("token_bucket").joinpath("take.lua").read_text()
TAKE_SHA: Final = hashlib.sha1(TAKE_SCRIPT.encode(), usedforsecurity=False).hexdigest()

log = structlog.get_logger(__name__)


class RateLimiterUnavailable(Exception):
    """Redis is unavailable, and a charged limit has the policy `OutagePolicy.FAIL_CLOSED`."""


@dataclass(slots=True)
class RateLimiter:
    """Charge token buckets that live in Redis and refill by the clock of Redis.

    All charges of one call are debited, or none. They must belong to one owner: their keys share
    a hash tag (`limit:{<owner>}:<limit>`), so that one script may touch them in a cluster.
    """

    redis: Any
    """A `redis.asyncio.Redis`; whether it decodes responses does not matter."""
    table: LimitTable = field(default_factory=LimitTable)
    workers: int = 1
    """How many processes share each limit while Redis is unavailable."""
    clock: Callable[[], float] = time.monotonic
    """Seconds; used for local buckets only."""
    on_exceeded: Callable[[Limit], None] = lambda _limit: None
    """Called for every limit that a charge does not fit into, shadow mode included."""
    overrides_key: str = OVERRIDES_KEY
    """A Redis hash: name of a limit to an override such as `240/60;shadow`."""
    groups: Sequence[Group] = ()
    """Groups around an address, the smallest first, whose limits `plans` prepares."""
    _local: LocalBuckets = field(init=False)
    _plans: dict[tuple[tuple[str, ...], int], ScopedPlans] = field(default_factory=dict)
    _planned_version: int = -1
    _logged_problems: list[str] = field(default_factory=list)
    _failures: int = 0
    _next_warning: float = float("-inf")

    def __post_init__(self) -> None:
        self._local = LocalBuckets(self.workers, self.clock)

    async def take(self, *charges: Charge) -> Decision:
        """Debit all charges if each fits into its bucket.

        Raises:
            RateLimiterUnavailable: Redis is unavailable and one of the limits fails closed.
        """
        limits = [charge.limit for charge in charges]
        plan = plan_charges(limits, [charge.cost for charge in charges])
        return await self.take_plan(plan, charges[0].owner)

    async def take_plan(self, plan: ChargePlan, owner: str, groups: Sequence[str] = ()) -> Decision:
        """Debit the buckets of one owner as `take` does, by a plan from `plans`.

        A plan with limits of groups needs the ids of the groups around the owner, the smallest
        first: the buckets of all owners in the largest group are in one hash slot.

        Raises:
            RateLimiterUnavailable: Redis is unavailable and one of the limits fails closed.
        """
        keys, execute = plan.keys(owner, groups), self.redis.execute_command
        try:
            try:  # without redis-py's `Script` object, which took a sixth of the calls per second
                reply = await execute("EVALSHA", TAKE_SHA, len(keys), *keys, *plan.arguments)
            except NoScriptError:  # a restart or failover has emptied the script cache
                reply = await execute("EVAL", TAKE_SCRIPT, len(keys), *keys, *plan.arguments)
        except RedisError as error:
            self._warn(error)
            return self._reported(self._take_locally(plan, keys))
        decision = Decision(plan, orjson.loads(reply))
        return decision if plan.enforced and decision.admitted else self._reported(decision)

    def plans(self, names: tuple[str, ...], cost: int = 1) -> ScopedPlans:
        """Return the plans that charge `cost` to the named limits, by scope.

        Plans are cached until a limit changes. A cost above the size of a bucket is charged as
        the full bucket.

        Raises:
            KeyError: The table has no limit of such a name.
        """
        if self._planned_version != self.table.version:
            self._plans.clear()
            self._planned_version = self.table.version
        plans = self._plans.get((names, cost))
        if plans is None:
            plans = plan_by_scope([self.table[name] for name in names], cost, self.groups)
            self._plans[names, cost] = plans
        return plans

    async def read_overrides(self) -> None:
        """Apply the overrides in Redis; call it before the first charge.

        While Redis is unavailable the overrides that were read last remain in force.
        """
        try:
            stored = await self.redis.hgetall(self.overrides_key)
        except RedisError:
            return
        texts = {_text(name): _text(text) for name, text in stored.items()}
        problems = self.table.apply_overrides(texts)
        if problems and problems != self._logged_problems:
            log.error("limit_overrides_invalid", problems=problems)
        self._logged_problems = problems

    async def watch_overrides(self) -> None:
        """Apply the overrides in Redis every `POLL_SECONDS`; run as a task, never returns."""
        while True:
            await self.read_overrides()
            await asyncio.sleep(POLL_SECONDS)

    def take_here(self, plan: ChargePlan, owner: str, groups: Sequence[str] = ()) -> Decision:
        """Debit buckets of this process, which holds its share of each limit; never uses Redis."""
        return self._reported(self._local.take(plan, plan.keys(owner, groups)))

    def _take_locally(self, plan: ChargePlan, keys: Sequence[str]) -> Decision:
        if any(limit.on_outage is OutagePolicy.FAIL_CLOSED for limit in plan.limits):
            raise RateLimiterUnavailable
        return self._local.take(plan, keys)

    def _reported(self, decision: Decision) -> Decision:
        for bucket in decision.buckets:
            if not bucket.fits:
                self.on_exceeded(bucket.limit)
        return decision

    def _warn(self, error: RedisError) -> None:
        """Log an outage, with the number of failed calls since the last line."""
        self._failures += 1
        now = time.monotonic()
        if now >= self._next_warning:
            because = str(error) or type(error).__name__
            log.warning("rate_limiter_without_redis", because=because, times=self._failures)
            self._failures, self._next_warning = 0, now + WARNING_SECONDS


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
