import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from contracts.referral_code import check_symbol
from gateway.http.client_address import ClientAddresses
from gateway.limits.table import default_limits
from gateway.routes import ROUTES
from tests.gateway.conftest import Door, Doors
from token_bucket import Charge, Limit, OutagePolicy, RateLimiter, RateLimiterUnavailable, Scope

FIVE = Limit("five", 5, 1_000, Scope.USER)
TWO = Limit("two", 2, 1_000, Scope.USER)


def limiter(redis: Any, **options: Any) -> RateLimiter:
    return RateLimiter(redis, default_limits(), **options)


@dataclass
class Away:
    """A Redis that cannot be reached."""

    def register_script(self, _: str) -> Any:
        async def take(*_: object) -> object:
            raise RedisConnectionError("connection refused")

        return take


async def admitted(limits: RateLimiter, *charges: Charge, tries: int) -> int:
    verdicts = [await limits.take(*charges) for _ in range(tries)]
    return sum(verdict.admitted for verdict in verdicts)


async def test_a_full_bucket_is_the_burst(redis: Redis) -> None:
    assert await admitted(limiter(redis), Charge(FIVE, "alice"), tries=9) == 5


async def test_everybody_has_a_bucket_of_their_own(redis: Redis) -> None:
    limits = limiter(redis)
    assert await admitted(limits, Charge(FIVE, "alice"), tries=9) == 5
    assert await admitted(limits, Charge(FIVE, "bob"), tries=9) == 5


async def test_a_charge_weighs_what_it_costs(redis: Redis) -> None:
    assert await admitted(limiter(redis), Charge(FIVE, "alice", 2), tries=9) == 2
    assert await admitted(limiter(redis), Charge(FIVE, "bob", 6), tries=9) == 0


async def test_buckets_are_debited_all_or_none(redis: Redis) -> None:
    limits = limiter(redis)
    both = Charge(FIVE, "alice"), Charge(TWO, "alice")
    assert await admitted(limits, *both, tries=9) == 2
    verdict = await limits.take(Charge(FIVE, "alice", 0))
    assert verdict.buckets[0].remaining == 3


async def test_a_look_costs_nothing(redis: Redis) -> None:
    limits = limiter(redis)
    assert await admitted(limits, Charge(FIVE, "alice", 0), tries=9) == 9
    assert await redis.keys("limit:*") == []


async def test_who_is_refused_learns_when_to_come_back(redis: Redis) -> None:
    limits = limiter(redis)
    await admitted(limits, Charge(FIVE, "alice"), tries=5)
    verdict = await limits.take(Charge(FIVE, "alice"))
    assert not verdict.admitted
    assert 199 <= verdict.retry_after <= 200
    assert 999 <= verdict.buckets[0].full_in <= 1_000


@pytest.mark.parametrize(("workers", "cost"), [(1, 1), (4, 3)])
async def test_as_many_are_admitted_as_the_ideal_bucket_would(
    workers: int, cost: int, redis: Redis
) -> None:
    """By Redis's own clock; `test_limits_ideal` turns it."""
    limit = Limit("fast", 20, 1, Scope.USER)
    many = [limiter(redis) for _ in range(workers)]

    async def hammer(limits: RateLimiter) -> int:
        passed = 0
        while time.monotonic() - started < 1.2:
            passed += (await limits.take(Charge(limit, "alice", cost))).admitted
        return passed

    started = time.monotonic()
    passed = sum(await asyncio.gather(*(hammer(limits) for limits in many)))
    spent = time.monotonic() - started
    ideal = 20 * (1 + spent) / cost
    assert ideal - 2 < passed <= ideal


async def test_the_clock_is_redis_own(redis: Redis) -> None:
    """Two workers whose clocks differ by an hour count as one."""
    one = limiter(redis, clock=lambda: 0.0)
    other = limiter(redis, clock=lambda: 3_600.0)
    assert await admitted(one, Charge(FIVE, "alice"), tries=3) == 3
    assert await admitted(other, Charge(FIVE, "alice"), tries=9) == 2


async def test_an_empty_script_cache_is_no_outage(redis: Redis) -> None:
    limits = limiter(redis)
    await limits.take(Charge(FIVE, "alice"))
    await redis.script_flush()
    assert (await limits.take(Charge(FIVE, "alice"))).buckets[0].remaining == 3


async def test_without_redis_a_worker_grants_its_share() -> None:
    clock = Clock()
    limits = limiter(Away(), workers=2, clock=clock)
    ten = Limit("ten", 10, 100, Scope.USER)
    assert await admitted(limits, Charge(ten, "alice"), tries=9) == 5
    assert await admitted(limits, Charge(ten, "bob"), tries=9) == 5
    clock.now += 40
    assert await admitted(limits, Charge(ten, "alice"), tries=9) == 2


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_without_redis_nobody_guesses() -> None:
    guesses = Limit("guesses", 10, 60, Scope.ADDRESS, OutagePolicy.FAIL_CLOSED)
    with pytest.raises(RateLimiterUnavailable):
        await limiter(Away()).take(Charge(guesses, "1.2.3.4"))


async def test_a_limit_in_shadow_mode_refuses_nobody_and_is_told(redis: Redis) -> None:
    told: list[Limit] = []
    limits = limiter(redis, on_exceeded=told.append)
    shadow = Limit("two", 2, 1_000, Scope.USER, shadow=True)
    assert await admitted(limits, Charge(shadow, "alice"), Charge(FIVE, "alice"), tries=9) == 5
    assert told.count(shadow) == 7


def test_limits_are_changed_by_words_and_back() -> None:
    limits = default_limits()
    assert limits.apply_overrides({"reads": "240/60;shadow"}) == []
    reads = limits["reads"]
    assert (reads.quantity, reads.window, reads.shadow) == (240, 60, True)
    assert limits.apply_overrides({}) == []
    assert limits["reads"].quantity == 120


@pytest.mark.parametrize(
    "override", [{"reads": "fast"}, {"reads": "0/60"}, {"reads": "1/0"}, {"cats": "1/1"}]
)
def test_words_that_make_no_limit_change_nothing(override: dict[str, str]) -> None:
    limits = default_limits()
    assert len(limits.apply_overrides(override)) == 1
    assert limits["reads"].quantity == 120


async def test_a_change_in_redis_holds_in_a_running_gateway(doors: Doors) -> None:
    await doors.redis.hset("gateway:limits", "reads", "3/60")
    door = await doors.open()
    token = door.issuer.access()
    statuses = [(await door.get("/v1/me", token)).status for _ in range(5)]
    assert statuses == [404, 404, 404, 429, 429]


async def test_a_limit_in_shadow_mode_is_not_told_to_callers(doors: Doors) -> None:
    await doors.redis.hset("gateway:limits", "reads", "1/60;shadow")
    door = await doors.open()
    for _ in range(3):
        answer = await door.get("/v1/me", door.issuer.access())
        assert answer.status == 404
        assert not {"RateLimit", "RateLimit-Policy"} & set(answer.headers)


async def test_a_refusal_says_what_was_exceeded_and_until_when(doors: Doors) -> None:
    await doors.redis.hset("gateway:limits", "reads", "1/60")
    door = await doors.open()
    token = door.issuer.access()
    first = await door.get("/v1/me", token)
    assert first.headers["RateLimit-Policy"] == '"reads";q=1;w=60'
    assert first.headers["RateLimit"].startswith('"reads";r=0;t=')
    refused = await door.get("/v1/me", token)
    assert (refused.status, refused.json["code"]) == (429, "too_many_requests")
    assert refused.json["violated-policies"] == ["reads"]
    assert "1 in a minute" in refused.json["detail"]
    assert 59 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit"]
    other = await door.get("/v1/me", door.issuer.access("bob"))
    assert other.status == 404


@pytest.mark.parametrize(("limit", "left"), [("25/60", 15), ("4/60", 0)])
async def test_a_request_that_is_more_work_takes_more(limit: str, left: int, doors: Doors) -> None:
    """Ten tokens, or all of a bucket that never holds ten."""
    await doors.redis.hset("gateway:limits", "reads", limit)
    door = await doors.open()
    path = f"/v1/tokens/cluster/ethereum/0x{'7' * 40}/diff?from=1&to=2"
    answer = await door.get(path, door.issuer.access())
    assert answer.status == 404
    assert answer.headers["RateLimit"].startswith(f'"reads";r={left};')


def code(number: int) -> str:
    symbols = f"{number:09d}"
    return symbols + check_symbol(symbols)


async def guess(door: Door, number: int, **options: Any) -> int:
    path = f"/v1/referral/valid?referral_code={code(number)}"
    return (await door.get(path, **options)).status


async def test_an_address_guesses_ten_times_a_minute(door: Door) -> None:
    statuses = [await guess(door, number) for number in range(12)]
    assert statuses == [200] * 10 + [429] * 2


async def test_when_too_many_codes_miss_only_people_who_sign_in_are_answered(
    doors: Doors,
) -> None:
    await doors.redis.hset("gateway:limits", "guesses-missed", "3/3600")
    door = await doors.open(trusted_proxy_hops=1)
    statuses = [
        await guess(door, number, headers={"X-Forwarded-For": f"10.0.0.{number}"})
        for number in range(5)
    ]
    assert statuses == [200] * 3 + [429] * 2
    assert await guess(door, 9, token=door.issuer.access()) == 200
    assert await guess(door, 9, token="forged") == 403


async def test_forged_tokens_are_limited_before_their_signature_is_looked_at(
    doors: Doors,
) -> None:
    await doors.redis.hset("gateway:limits", "unverified", "2/60")
    door = await doors.open()
    known = door.issuer.access()
    assert (await door.get("/v1/me", known)).status == 404
    forged = door.issuer.access()[:-8] + "AAAAAAAA"
    statuses = [(await door.get("/v1/me", forged)).status for _ in range(3)]
    assert statuses == [403, 429, 429]
    assert (await door.get("/v1/me", known)).status == 404  # whoever is known is not in that queue


@pytest.mark.parametrize(
    ("hops", "peer", "forwarded", "address"),
    [
        (0, "9.9.9.9", ["1.1.1.1"], "9.9.9.9"),
        (1, "9.9.9.9", ["1.1.1.1"], "1.1.1.1"),
        (1, "9.9.9.9", ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        (2, "9.9.9.9", ["6.6.6.6, 1.1.1.1, 8.8.8.8"], "1.1.1.1"),
        (2, "9.9.9.9", ["6.6.6.6, 1.1.1.1", "8.8.8.8"], "1.1.1.1"),
        (2, "9.9.9.9", ["1.1.1.1"], "9.9.9.9"),
        (1, "9.9.9.9", ["nonsense"], "9.9.9.9"),
        (1, "9.9.9.9", [], "9.9.9.9"),
        (0, "2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::"),
        (0, "::ffff:1.2.3.4", [], "1.2.3.4"),
        (0, "", [], "unknown"),
    ],
)
def test_the_client_is_whom_our_own_proxies_saw(
    hops: int, peer: str, forwarded: list[str], address: str
) -> None:
    request = make_mocked_request(
        "GET", "/", headers=_headers(forwarded), transport=_transport(peer)
    )
    assert ClientAddresses(hops).of(request) == address


def _headers(forwarded: list[str]) -> Any:
    return CIMultiDict([("X-Forwarded-For", value) for value in forwarded])


def _transport(peer: str) -> Any:
    @dataclass
    class Transport:
        get_extra_info: Callable[..., Any]

    return Transport(lambda name, _default=None: (peer, 1) if name == "peername" else None)


def test_everybody_is_limited_somehow() -> None:
    limits = default_limits()
    for route in ROUTES:
        assert route.limits
        assert {limits[name].scope for name in route.limits} <= {Scope.USER, Scope.ADDRESS}
