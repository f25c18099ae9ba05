"""Compare the rate limiter with its bare script and two libraries: `make bench-limiter`.

Sixty-four callers in one process debit one token each from the buckets of a thousand people, as
fast as they can; every call is admitted. All take turns in every round, on one Redis, so that other
work on the machine slows all of them; medians of the rounds are printed. `raw script` sends the
limiter's script through the limiter's client and drops the reply; the limiter also builds the keys
and parses the reply. The libraries are used as documented, asynchronous, on Redis, each with its
token bucket or its cheapest strategy.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from throttled.asyncio import RedisStore, Throttled, per_min
from throttled.asyncio import constants as throttled_constants

from benchmarks.bounds import Bound, check_bounds
from redis_batching.client import BatchingRedis
from redis_batching.connection import cancellation_safe
from tests.support.stack import local_settings, redis_server
from token_bucket import RateLimiter
from token_bucket.charges import plan_charges
from token_bucket.limiter import TAKE_SCRIPT
from token_bucket.limits import Limit, LimitTable, Scope

CALLERS = 64
PEOPLE = 1_000
UNREACHED = 10_000_000
MIN_SHARE = 0.9
"""Share of the raw script's throughput."""

Take = Callable[[str], Awaitable[object]]


async def throughput(take: Take, first: int, calls: int) -> float:
    """Return the calls per second of all callers together."""
    numbers = iter(range(first, first + calls))

    async def caller() -> None:
        for number in numbers:
            await take(f"person-{number % PEOPLE}")

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return calls / (time.perf_counter() - started)


def ours(redis: Any) -> Take:
    limit = Limit("reads", UNREACHED, 60, Scope.USER)
    limiter = RateLimiter(redis, LimitTable.of(limit))
    plan = limiter.plans(("reads",)).user
    assert plan is not None

    async def take(person: str) -> object:
        decision = await limiter.take_plan(plan, person)
        assert decision.admitted
        return decision

    return take


def raw(redis: Any) -> Take:
    sha = redis.register_script(TAKE_SCRIPT).sha
    arguments = plan_charges([Limit("raw", UNREACHED, 60, Scope.USER)], [1]).arguments

    async def take(person: str) -> object:
        key = f"limit:{{{person}}}:raw"
        return await redis.evalsha(sha, 1, key, *arguments)

    return take


def library_limits(url: str) -> Take:
    storage = RedisStorage(f"async+{url}", implementation="redispy")
    limiter, item = FixedWindowRateLimiter(storage), RateLimitItemPerMinute(UNREACHED)

    async def take(person: str) -> object:
        admitted = await limiter.hit(item, person)
        assert admitted
        return admitted

    return take


def library_throttled(url: str) -> Take:
    bucket = throttled_constants.RateLimiterType.TOKEN_BUCKET.value
    store = RedisStore(server=url)
    throttle = Throttled(using=bucket, quota=per_min(UNREACHED, burst=UNREACHED), store=store)

    async def take(person: str) -> object:
        result = await throttle.limit(person)
        assert not result.limited
        return result

    return take


async def measure(url: str, rounds: int, calls: int) -> dict[str, list[float]]:
    redis = cancellation_safe(BatchingRedis.from_url(url))
    await redis.script_load(TAKE_SCRIPT)
    takers = {
        "raw script": raw(redis),
        "limiter": ours(redis),
        "limits": library_limits(url),
        "throttled-py": library_throttled(url),
    }
    for take in takers.values():  # open connections
        await throughput(take, 0, calls)
    seen: dict[str, list[float]] = {name: [] for name in takers}
    for turn in range(rounds):
        for name, take in takers.items():
            seen[name].append(await throughput(take, turn * calls, calls))
    await redis.aclose()
    return seen


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=12_000, help="calls per round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, redis_server(local_settings(Path(folder))) as url:
        seen = uvloop.run(measure(url, arguments.rounds, arguments.calls))
    medians = {name: statistics.median(rounds) for name, rounds in seen.items()}
    print(
        f"{CALLERS} callers, {PEOPLE} people, "
        f"{arguments.rounds} rounds of {arguments.calls:,} calls\n"
    )
    for name, median in medians.items():
        print(f"  {name:<14}{median:>10,.0f} calls/s   {median / medians['raw script']:.2f} of raw")
    ratios = {name: medians["limiter"] / median for name, median in medians.items()}
    return check_bounds(
        Bound("calls/s, limiter / raw script", ratios["raw script"], least=MIN_SHARE),
        Bound("calls/s, limiter / limits", ratios["limits"], least=1.0),
        Bound("calls/s, limiter / throttled-py", ratios["throttled-py"], least=1.0),
    )


if __name__ == "__main__":
    sys.exit(main())
