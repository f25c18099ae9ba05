import asyncio
import time
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from tests.support.eventually import eventually
from token_bucket import (
    Charge,
    Group,
    Limit,
    LimitTable,
    OutagePolicy,
    RateLimiter,
    RateLimiterUnavailable,
    Scope,
)

FIVE = Limit("five", 5, 1_000, Scope.USER)
TWO = Limit("two", 2, 1_000, Scope.USER)


class UnavailableRedis:
    async def execute_command(self, *_: object) -> Any:
        raise RedisConnectionError("connection refused")


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


def limiter_of(redis: Any, **options: Any) -> RateLimiter:
    return RateLimiter(redis, **options)


async def admitted(limiter: RateLimiter, *charges: Charge, tries: int) -> int:
    decisions = [await limiter.take(*charges) for _ in range(tries)]
    return sum(decision.admitted for decision in decisions)


async def test_a_full_bucket_is_the_largest_burst(redis: Redis) -> None:
    assert await admitted(limiter_of(redis), Charge(FIVE, "alice"), tries=9) == 5


async def test_every_owner_has_a_bucket(redis: Redis) -> None:
    limiter = limiter_of(redis)
    assert await admitted(limiter, Charge(FIVE, "alice"), tries=9) == 5
    assert await admitted(limiter, Charge(FIVE, "bob"), tries=9) == 5


async def test_a_charge_takes_its_cost(redis: Redis) -> None:
    assert await admitted(limiter_of(redis), Charge(FIVE, "alice", 2), tries=9) == 2
    assert await admitted(limiter_of(redis), Charge(FIVE, "bob", 6), tries=9) == 0


async def test_all_buckets_are_debited_or_none(redis: Redis) -> None:
    limiter = limiter_of(redis)
    both = Charge(FIVE, "alice"), Charge(TWO, "alice")
    assert await admitted(limiter, *both, tries=9) == 2
    decision = await limiter.take(Charge(FIVE, "alice", 0))
    assert decision.buckets[0].remaining == 3


async def test_cost_zero_reads_a_bucket_without_storing_it(redis: Redis) -> None:
    assert await admitted(limiter_of(redis), Charge(FIVE, "alice", 0), tries=9) == 9
    assert await redis.keys("limit:*") == []


async def test_a_rejected_charge_reports_when_to_retry(redis: Redis) -> None:
    limiter, started = limiter_of(redis), time.monotonic()
    await admitted(limiter, Charge(FIVE, "alice"), tries=5)
    decision = await limiter.take(Charge(FIVE, "alice"))
    most = time.monotonic() - started + 1  # what has been refilled meanwhile, and the rounding
    assert not decision.admitted
    assert 200 - most <= decision.retry_after <= 200
    assert 1_000 - most <= decision.buckets[0].full_in <= 1_000
    assert decision.rate_limit_header.startswith('"five";r=0;t=')


@pytest.mark.parametrize(("workers", "cost"), [(1, 1), (4, 3)])
async def test_as_many_are_admitted_as_by_the_ideal_bucket(
    workers: int, cost: int, redis: Redis
) -> None:
    """By the real clock of Redis; `test_against_ideal` sets the clock."""
    limit = Limit("fast", 100, 5, Scope.USER)
    limiters = [limiter_of(redis) for _ in range(workers)]
    began, answered, least = time.monotonic(), float("inf"), 0.0

    async def charge_repeatedly(limiter: RateLimiter) -> int:
        nonlocal answered, least
        count = 0
        while (sent := time.monotonic()) - began < 1.2:
            is_admitted = (await limiter.take(Charge(limit, "alice", cost))).admitted
            answered = min(answered, time.monotonic())
            count += is_admitted
            if not is_admitted:  # nothing was left of what was refilled until then
                least = max(least, 20 * (5 + sent - answered) / cost - 2)
        return count

    count = sum(await asyncio.gather(*(charge_repeatedly(each) for each in limiters)))
    assert least < count <= 20 * (5 + time.monotonic() - began) / cost


async def test_buckets_refill_by_the_clock_of_redis(redis: Redis) -> None:
    """Two processes whose clocks differ by an hour share a limit."""
    one = limiter_of(redis, clock=lambda: 0.0)
    other = limiter_of(redis, clock=lambda: 3_600.0)
    assert await admitted(one, Charge(FIVE, "alice"), tries=3) == 3
    assert await admitted(other, Charge(FIVE, "alice"), tries=9) == 2


async def test_an_empty_script_cache_is_not_an_outage(redis: Redis) -> None:
    limiter = limiter_of(redis)
    await limiter.take(Charge(FIVE, "alice"))
    await redis.script_flush()
    assert (await limiter.take(Charge(FIVE, "alice"))).buckets[0].remaining == 3


async def test_without_redis_a_process_admits_its_share() -> None:
    clock = Clock()
    limiter = limiter_of(UnavailableRedis(), workers=2, clock=clock)
    ten = Limit("ten", 10, 100, Scope.USER)
    with capture_logs() as lines:
        assert await admitted(limiter, Charge(ten, "alice"), tries=9) == 5
        assert await admitted(limiter, Charge(ten, "bob"), tries=9) == 5
        clock.now += 40
        assert await admitted(limiter, Charge(ten, "alice"), tries=9) == 2
    assert [line["event"] for line in lines] == ["rate_limiter_without_redis"]


async def test_without_redis_a_limit_may_fail_closed() -> None:
    guesses = Limit("guesses", 10, 60, Scope.ADDRESS, OutagePolicy.FAIL_CLOSED)
    with pytest.raises(RateLimiterUnavailable):
        await limiter_of(UnavailableRedis()).take(Charge(guesses, "1.2.3.4"))


async def test_a_limit_in_shadow_mode_rejects_nothing_and_is_reported(redis: Redis) -> None:
    reported: list[Limit] = []
    limiter = limiter_of(redis, on_exceeded=reported.append)
    shadow = Limit("two", 2, 1_000, Scope.USER, shadow=True)
    assert await admitted(limiter, Charge(shadow, "alice"), Charge(FIVE, "alice"), tries=9) == 5
    assert reported.count(shadow) == 7


async def test_plans_follow_the_table(redis: Redis) -> None:
    limiter = limiter_of(redis, table=LimitTable.of(FIVE))
    plan = limiter.plans(("five",), cost=9).user
    assert plan is not None
    assert plan.costs == (5,)  # a cost above the size of the bucket takes the full bucket
    limiter.table.apply_overrides({"five": "7/10"})
    changed = limiter.plans(("five",)).user
    assert changed is not None
    assert changed.policy_header == '"five";q=7;w=10'


async def test_overrides_in_redis_are_applied_and_problems_logged_once(redis: Redis) -> None:
    limiter = limiter_of(redis, table=LimitTable.of(FIVE, TWO), overrides_key="overrides")
    await redis.hset("overrides", mapping={b"five": "9/60;shadow", b"two": "many", b"\xff": "1/1"})
    with capture_logs() as lines:
        await limiter.read_overrides()
        await limiter.read_overrides()
    assert (limiter.table["five"].quantity, limiter.table["five"].shadow) == (9, True)
    assert [line["event"] for line in lines] == ["limit_overrides_invalid"]


async def test_overrides_are_read_again_and_again(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("token_bucket.limiter.POLL_SECONDS", 0.01)
    limiter = limiter_of(redis, table=LimitTable.of(FIVE), overrides_key="overrides")
    watching = asyncio.create_task(limiter.watch_overrides())
    for quantity in (9, 7):
        await redis.hset("overrides", "five", f"{quantity}/60")

        async def applied(quantity: int = quantity) -> bool:
            return limiter.table["five"].quantity == quantity

        await eventually(applied)
    watching.cancel()
    await asyncio.wait([watching])


async def test_overrides_stay_while_redis_is_unavailable(redis: Redis) -> None:
    limiter = limiter_of(redis, table=LimitTable.of(FIVE), overrides_key="overrides")
    await redis.hset("overrides", "five", "9/60")
    await limiter.read_overrides()
    limiter.redis = Redis(port=1)
    await limiter.read_overrides()
    assert limiter.table["five"].quantity == 9


@pytest.mark.parametrize("available", [True, False])
async def test_a_group_of_owners_shares_a_larger_limit(redis: Redis, *, available: bool) -> None:
    client: Any = redis if available else UnavailableRedis()
    table = LimitTable.of(Limit("two", 2, 1_000, Scope.ADDRESS))
    limiter = limiter_of(client, table=table, groups=(Group("row", 2), Group("house", 3)))
    plan = limiter.plans(("two",)).address_in_groups
    assert plan is not None

    async def charge(owner: str, row: str, house: str) -> bool:
        return (await limiter.take_plan(plan, owner, (row, house))).admitted

    assert [await charge("a", "row 1", "house 1") for _ in range(3)] == [True, True, False]
    assert [await charge("b", "row 1", "house 1") for _ in range(3)] == [True, True, False]
    assert [await charge("c", "row 1", "house 1") for _ in range(2)] == [False, False]
    assert [await charge("d", "row 2", "house 1") for _ in range(3)] == [True, True, False]
    assert [await charge("e", "row 2", "house 1") for _ in range(2)] == [False, False]
    assert await charge("a", "row 1", "house 2")  # another house, although the names are equal
    decision = await limiter.take_plan(plan, "c", ("row 1", "house 1"))
    assert [bucket.limit.name for bucket in decision.exceeded] == ["two-row", "two-house"]
    assert decision.rate_limit_header.startswith('"two";r=2;')
    assert decision.plan.policy_header == '"two";q=2;w=1000'
