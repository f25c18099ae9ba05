"""Charge buckets whose limit changes: used tokens stay used, and the new rate holds at once."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from token_bucket import Charge, Limit, RateLimiter, Scope
from token_bucket.tests.controlled_clock import START, ControlledClockRedis, set_clock

pytestmark = pytest.mark.single_node("the controlled clock is one key that all buckets read")

SECOND = 1_000_000


class UnavailableRedis:
    async def execute_command(self, *_: object) -> Any:
        raise RedisConnectionError("connection refused")


def limit(quantity: int, window: int) -> Limit:
    return Limit("changing", quantity, window, Scope.USER)


@dataclass
class Ideal:
    """A bucket with exact fractions of tokens, whose limit may be another one at each charge."""

    limit: Limit
    missing: Fraction = Fraction(0)
    at: int = 0

    def look(self, now: int, current: Limit) -> None:
        """Refill by the limit that was in force, then replace it."""
        refilled = Fraction((now - self.at) * self.limit.quantity, self.limit.window * SECOND)
        self.missing = max(self.missing - refilled, Fraction(0))
        self.missing = min(self.missing, Fraction(current.quantity))
        self.limit, self.at = current, now

    def spare(self, cost: int) -> Fraction:
        """Return the tokens that are left after this cost; negative: too few."""
        return self.limit.quantity - self.missing - cost


limits = st.builds(limit, st.integers(1, 100_000), st.integers(1, 7_200))
pauses = st.one_of(st.integers(0, 5), st.integers(0, SECOND), st.integers(0, 3 * 7_200 * SECOND))
charges = st.lists(st.integers(0, 7), min_size=1, max_size=8)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@example(
    course=[(0, limit(5, 3_600), [1] * 6), (0, limit(5, 60), [1, 1]), (12 * SECOND, None, [1])]
)
@example(course=[(0, limit(5, 3_600), [1] * 6), (0, limit(100_000, 1), [1] * 8)])
@example(course=[(0, limit(100, 60), [7] * 8), (0, limit(5, 3_600), [1]), (0, limit(9, 60), [1])])
@given(
    course=st.lists(
        st.tuples(pauses, st.one_of(st.none(), limits), charges), min_size=1, max_size=8
    )
)
async def test_charges_are_decided_as_by_an_ideal_bucket_whose_limit_changes(
    redis: Any, course: list[tuple[int, Limit | None, list[int]]]
) -> None:
    """Except for a microsecond of refill per step: the script stores integers."""
    await redis.flushdb()
    limiter, current, now = RateLimiter(ControlledClockRedis(redis)), limit(5, 3_600), 0
    ideal, steps = Ideal(current), 0
    for pause, changed, costs in course:
        now, current = now + pause, changed or current
        for cost in costs:
            now, steps = now + 1, steps + 1
            await set_clock(redis, now)
            ideal.look(now, current)
            (state,) = (await limiter.take(Charge(current, "alice", cost))).buckets
            spare = ideal.spare(cost)
            tolerance = Fraction(2 * steps * 100_000, SECOND)
            assert state.fits == (spare >= 0) or abs(spare) <= tolerance
            if state.fits:
                ideal.missing += cost


async def test_a_raised_limit_admits_a_caller_who_had_used_the_old_one(redis: Redis) -> None:
    limiter = RateLimiter(redis)
    for _ in range(6):
        decision = await limiter.take(Charge(limit(5, 3_600), "alice"))
    assert not decision.admitted
    raised = await limiter.take(Charge(limit(100_000, 1), "alice"))
    assert raised.admitted
    assert raised.buckets[0].full_in < 1


async def test_a_faster_refill_holds_from_the_first_charge_on_even_if_that_is_rejected(
    redis: Any,
) -> None:
    limiter = RateLimiter(ControlledClockRedis(redis))
    await set_clock(redis, 0)
    for _ in range(5):
        await limiter.take(Charge(limit(5, 3_600), "alice"))
    rejected = await limiter.take(Charge(limit(5, 5), "alice"))
    assert (rejected.admitted, rejected.retry_after) == (False, 1)
    await set_clock(redis, SECOND)
    assert (await limiter.take(Charge(limit(5, 5), "alice"))).admitted


async def test_without_redis_a_raised_limit_takes_effect_at_once_too() -> None:
    limiter = RateLimiter(UnavailableRedis(), clock=lambda: 1_000.0)
    for _ in range(6):
        decision = await limiter.take(Charge(limit(5, 3_600), "alice"))
    assert not decision.admitted
    assert (await limiter.take(Charge(limit(6, 3_600), "alice"))).admitted
    assert not (await limiter.take(Charge(limit(6, 3_600), "alice"))).admitted


async def test_a_bucket_of_a_build_that_stores_the_time_only_is_read(redis: Any) -> None:
    limiter = RateLimiter(ControlledClockRedis(redis))
    await set_clock(redis, 0)
    await redis.set("limit:{alice}:changing", str(START + 720 * SECOND))
    decision = await limiter.take(Charge(limit(5, 3_600), "alice", 0))
    assert decision.buckets[0].remaining == 4
