"""Compare the limiter with an ideal token bucket in exact fractions, by a clock that is set."""

import asyncio
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.support.redis_server import RedisServer
from token_bucket import Charge, Limit, RateLimiter, Scope
from token_bucket.tests.controlled_clock import (
    ControlledClockRedis,
    admitted_in_process,
    set_clock,
)

pytestmark = pytest.mark.single_node("the controlled clock is one key that all buckets read")

SECOND = 1_000_000
WORKERS = 4


@dataclass
class Ideal:
    """A bucket with exact fractions of tokens."""

    limit: Limit
    tokens: Fraction
    at: int = 0

    @classmethod
    def full(cls, limit: Limit) -> "Ideal":
        return cls(limit, Fraction(limit.quantity))

    @property
    def token_micros(self) -> Fraction:
        """Microseconds in which one token is refilled."""
        return Fraction(self.limit.window * SECOND, self.limit.quantity)

    def spare(self, now: int, cost: int) -> Fraction:
        """Return the refill time left after this cost, in microseconds; negative: missing."""
        refilled = self.tokens + (now - self.at) / self.token_micros
        self.tokens, self.at = min(Fraction(self.limit.quantity), refilled), now
        return (self.tokens - cost) * self.token_micros


def take(buckets: Sequence[Ideal], now: int, cost: int) -> bool:
    admitted = all(bucket.spare(now, cost) >= 0 for bucket in buckets)
    debit(buckets if admitted else (), cost)
    return admitted


def debit(buckets: Sequence[Ideal], cost: int) -> None:
    for bucket in buckets:
        bucket.tokens -= cost


limits = st.builds(
    Limit,
    st.sampled_from(["one", "two", "three"]),
    st.integers(1, 50),
    st.integers(1, 7_200),
    st.just(Scope.USER),
)
limit_lists = st.lists(limits, min_size=1, max_size=3, unique_by=lambda limit: limit.name)
pauses = st.one_of(
    st.integers(0, 5),  # microseconds
    st.integers(0, SECOND),
    st.integers(0, 3 * 7_200 * SECOND),
)
costs = st.integers(1, 7)
property_settings = hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@property_settings
@given(
    chosen=limit_lists,
    cost=costs,
    course=st.lists(st.tuples(pauses, st.integers(1, 12)), min_size=1, max_size=12),
)
async def test_as_many_charges_are_admitted_as_by_the_ideal_bucket(
    redis: Any, chosen: list[Limit], cost: int, course: list[tuple[int, int]]
) -> None:
    """At any time at most one charge more or less."""
    await redis.flushdb()
    limiter = RateLimiter(ControlledClockRedis(redis))
    charges = [Charge(limit, "alice", cost) for limit in chosen]
    ideal = [Ideal.full(limit) for limit in chosen]
    now = actual = expected = 0
    for pause, tries in course:
        now += pause
        for _ in range(tries):
            now += 1  # a call takes at least a microsecond
            await set_clock(redis, now)
            actual += (await limiter.take(*charges)).admitted
            expected += take(ideal, now, cost)
            assert abs(actual - expected) <= 1


@property_settings
@example(chosen=[Limit("one", 7, 60, Scope.USER)], course=[(0, [7])])
@given(
    chosen=limit_lists,
    course=st.lists(
        st.tuples(pauses, st.lists(costs, min_size=1, max_size=12)), min_size=1, max_size=12
    ),
)
async def test_each_charge_of_any_cost_is_decided_as_by_the_ideal_bucket(
    redis: Any, chosen: list[Limit], course: list[tuple[int, list[int]]]
) -> None:
    """Except for one microsecond per earlier charge: the script stores integers."""
    await redis.flushdb()
    limiter = RateLimiter(ControlledClockRedis(redis))
    ideal = [Ideal.full(limit) for limit in chosen]
    now = debits = 0
    for pause, costs_then in course:
        now += pause
        for cost in costs_then:
            now += 1
            await set_clock(redis, now)
            decision = await limiter.take(*(Charge(limit, "alice", cost) for limit in chosen))
            for state, bucket in zip(decision.buckets, ideal, strict=True):
                spare = bucket.spare(now, cost)
                assert state.fits == (spare >= 0) or abs(spare) < debits
            assert decision.admitted == all(state.fits for state in decision.buckets)
            debit(ideal if decision.admitted else (), cost)
            debits += decision.admitted


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as workers:
        yield workers


@pytest.mark.parametrize("shape", [(20, 1, 1), (20, 7, 3), (100, 60, 1)])
async def test_four_processes_share_one_limit(
    shape: tuple[int, int, int],
    workers: ProcessPoolExecutor,
    redis: Any,
    redis_server: RedisServer,
) -> None:
    """Each with many charges in flight: a burst, refills, a long pause."""
    quantity, window, cost = shape
    ideal = [Ideal.full(Limit("shared", quantity, window, Scope.USER))]
    now = actual = expected = 0
    for pause in (0, window * SECOND // 3, 7, window * SECOND // quantity, 9 * window * SECOND):
        now += pause
        await set_clock(redis, now)
        tries = 2 * quantity
        loop = asyncio.get_running_loop()
        arguments = (redis_server.url, *shape, tries)
        charging = [
            loop.run_in_executor(workers, admitted_in_process, *arguments) for _ in range(WORKERS)
        ]
        actual += sum(await asyncio.gather(*charging))
        expected += sum(take(ideal, now, cost) for _ in range(WORKERS * tries))
        assert abs(actual - expected) <= 1, (actual, expected)
