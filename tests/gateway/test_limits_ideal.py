"""The limiter beside an ideal token bucket, computed in fractions, under a clock that is turned."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.limits.table import default_limits
from tests.gateway.conftest import RedisServer
from tests.support.clocked import Clocked, hammer, turn
from tests.support.nursery import forkserver
from token_bucket import Charge, Limit, RateLimiter, Scope

SECOND = 1_000_000
WORKERS = 4


@dataclass
class Ideal:
    """Tokens to the last fraction."""

    limit: Limit
    tokens: Fraction
    at: int = 0

    @classmethod
    def full(cls, limit: Limit) -> "Ideal":
        return cls(limit, Fraction(limit.quantity))

    @property
    def each(self) -> Fraction:
        """Microseconds that a token takes."""
        return Fraction(self.limit.window * SECOND, self.limit.quantity)

    def spare(self, now: int, cost: int) -> Fraction:
        """Microseconds by which there is room at this moment; negative: for which there is none."""
        refilled = self.tokens + (now - self.at) / self.each
        self.tokens, self.at = min(Fraction(self.limit.quantity), refilled), now
        return (self.tokens - cost) * self.each


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
several = st.lists(limits, min_size=1, max_size=3, unique_by=lambda limit: limit.name)
passing = st.one_of(
    st.integers(0, 5),  # microseconds
    st.integers(0, SECOND),
    st.integers(0, 3 * 7_200 * SECOND),
)
costs = st.integers(1, 7)
quietly = hypothesis_settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quietly
@given(
    chosen=several,
    cost=costs,
    course=st.lists(st.tuples(passing, st.integers(1, 12)), min_size=1, max_size=12),
)
async def test_bursts_and_refills_are_those_of_the_ideal(
    redis: Any, chosen: list[Limit], cost: int, course: list[tuple[int, int]]
) -> None:
    """Whatever is asked when, at no moment is more than one charge more or less let through."""
    await redis.flushdb()
    limiter = RateLimiter(Clocked(redis), default_limits())
    charges = [Charge(limit, "alice", cost) for limit in chosen]
    ideal = [Ideal.full(limit) for limit in chosen]
    now = ours = theirs = 0
    for passes, tries in course:
        now += passes
        for _ in range(tries):
            now += 1  # Redis takes longer for each
            await turn(redis, now)
            ours += (await limiter.take(*charges)).admitted
            theirs += take(ideal, now, cost)
            assert abs(ours - theirs) <= 1


@quietly
@example(chosen=[Limit("one", 7, 60, Scope.USER)], course=[(0, [7])])
@given(
    chosen=several,
    course=st.lists(
        st.tuples(passing, st.lists(costs, min_size=1, max_size=12)), min_size=1, max_size=12
    ),
)
async def test_whatever_charges_weigh_each_is_decided_as_by_the_ideal(
    redis: Any, chosen: list[Limit], course: list[tuple[int, list[int]]]
) -> None:
    """But for the last microsecond of each charge before: a bucket is kept in whole ones."""
    await redis.flushdb()
    limiter = RateLimiter(Clocked(redis), default_limits())
    ideal = [Ideal.full(limit) for limit in chosen]
    now = debits = 0
    for passes, weights in course:
        now += passes
        for cost in weights:
            now += 1
            await turn(redis, now)
            verdict = await limiter.take(*(Charge(limit, "alice", cost) for limit in chosen))
            for level, bucket in zip(verdict.buckets, ideal, strict=True):
                spare = bucket.spare(now, cost)
                assert level.fits == (spare >= 0) or abs(spare) < debits
            assert verdict.admitted == all(level.fits for level in verdict.buckets)
            debit(ideal if verdict.admitted else (), cost)
            debits += verdict.admitted


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(WORKERS, mp_context=forkserver) as workers:
        yield workers


@pytest.mark.parametrize("shape", [(20, 1, 1), (20, 7, 3), (100, 60, 1)])
async def test_four_workers_at_once_are_one(
    shape: tuple[int, int, int],
    workers: ProcessPoolExecutor,
    redis: Any,
    redis_server: RedisServer,
) -> None:
    """Four processes, each with many requests under way; a burst, refills, a long rest."""
    quantity, window, cost = shape
    ideal = [Ideal.full(Limit("hammered", quantity, window, Scope.USER))]
    now = ours = theirs = 0
    for passes in (0, window * SECOND // 3, 7, window * SECOND // quantity, 9 * window * SECOND):
        now += passes
        await turn(redis, now)
        tries = 2 * quantity
        loop = asyncio.get_running_loop()
        words = (redis_server.url, *shape, tries)
        ours += sum(
            await asyncio.gather(
                *(loop.run_in_executor(workers, hammer, *words) for _ in range(WORKERS))
            )
        )
        theirs += sum(take(ideal, now, cost) for _ in range(WORKERS * tries))
        assert abs(ours - theirs) <= 1, (ours, theirs)
