"""Compare the rate limiter with its bare script and two libraries: `make bench-limiter`.

Sixty-four callers in one process debit one token each from the buckets of a thousand people, as
fast as they can; every call is admitted. All take turns in every round, on one Redis. `raw script`
sends the limiter's script through the limiter's client and drops the reply; the limiter also builds
the keys and parses the reply. The libraries are used as documented, asynchronous, on Redis, each
with its token bucket or its cheapest strategy, in a tenth of the rounds.

The calls per second are those of one second of CPU time, of this process and Redis together: the
callers and Redis mostly wait for each other, so this is the throughput of a machine that does
nothing else, and unlike the time of a clock it does not contain the turns of other programs. A
bound is on the median of the ratios of the rounds.

At the end four processes charge one bucket: together they must be admitted as often as one would.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import uvloop
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis import Redis
from throttled.asyncio import RedisStore, Throttled, per_min
from throttled.asyncio import constants as throttled_constants

from benchmarks.bounds import Bound, check_bounds
from benchmarks.paired import Ratios, turns
from chassis.run.gc_tuning import tune_gc
from redis_batching.client import BatchingRedis
from redis_batching.connection import cancellation_safe
from tests.support.stack import local_settings, redis_server
from token_bucket import RateLimiter
from token_bucket.charges import Charge, plan_charges
from token_bucket.limiter import TAKE_SCRIPT
from token_bucket.limits import Limit, LimitTable, Scope

CALLERS = 64
PEOPLE = 1_000
UNREACHED = 10_000_000
MIN_SHARE = 0.9
"""Share of the raw script's throughput."""
PROCESSES = 4
SHARED = Limit("shared", 1_000, 86_400, Scope.USER)
"""Limit of the bucket that processes share, which gains a token in 86 seconds."""

Take = Callable[[str], Awaitable[object]]
Rates = Mapping[str, Sequence[float]]
"""Name -> calls per second of CPU time, of each round."""


async def call(take: Take, first: int, calls: int) -> None:
    """Let all callers together make a number of calls."""
    numbers = iter(range(first, first + calls))

    async def caller() -> None:
        for number in numbers:
            await take(f"person-{number % PEOPLE}")

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


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


async def measure(url: str, rounds: int, calls: int) -> tuple[Rates, Rates]:
    """Return the rates next to the raw script's, and in fewer rounds next to the libraries'."""
    redis, clock = cancellation_safe(BatchingRedis.from_url(url)), CpuClock(url)
    await redis.script_load(TAKE_SCRIPT)
    limiter = ours(redis)
    scripts = {"raw script": raw(redis), "limiter": limiter}
    libraries = {
        "limits": library_limits(url),
        "limiter": limiter,
        "throttled-py": library_throttled(url),
    }
    for take in (*scripts.values(), *libraries.values()):  # open connections, create the buckets
        await call(take, 0, PEOPLE)
    tune_gc()
    close = await compare(scripts, clock, rounds, calls)
    far = await compare(libraries, clock, max(rounds // 10, 1), calls)
    await redis.aclose()
    return close, far


async def compare(takers: Mapping[str, Take], clock: "CpuClock", rounds: int, calls: int) -> Rates:
    rates: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        for name in turns(list(takers), number):
            before = clock.seconds()
            await call(takers[name], number * calls, calls)
            rates[name].append(calls / (clock.seconds() - before))
    return rates


class CpuClock:
    """Read the CPU seconds that this process and Redis have spent."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url)

    def seconds(self) -> float:
        spent = self._redis.info("cpu")
        return time.process_time() + float(spent["used_cpu_user"] + spent["used_cpu_sys"])


def admitted_to_all(url: str) -> int:
    """Return how often processes are admitted that charge one bucket twice its size each."""
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as processes:
        return sum(processes.map(admitted_to_one, [url] * PROCESSES))


def admitted_to_one(url: str) -> int:
    async def charge() -> int:
        redis = cancellation_safe(BatchingRedis.from_url(url))
        limiter = RateLimiter(redis)
        decisions = await asyncio.gather(
            *(limiter.take(Charge(SHARED, "alice")) for _ in range(2 * SHARED.quantity))
        )
        await redis.aclose()
        return sum(decision.admitted for decision in decisions)

    return uvloop.run(charge())


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=301)
    parser.add_argument("--calls", type=int, default=300, help="calls of each, per round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, redis_server(local_settings(Path(folder))) as url:
        admitted = admitted_to_all(url)
        close, far = uvloop.run(measure(url, arguments.rounds, arguments.calls))
    print(f"{CALLERS} callers, {PEOPLE} people, {arguments.calls:,} calls per round\n")
    ratios = compared(close) | compared(far)
    return check_bounds(
        Bound("calls/s, limiter / raw script", ratios["raw script"].median, least=MIN_SHARE),
        Bound("calls/s, limiter / limits", ratios["limits"].median, least=1.0),
        Bound("calls/s, limiter / throttled-py", ratios["throttled-py"].median, least=1.0),
        Bound(
            f"calls admitted by a limit of {SHARED.quantity:,}, {PROCESSES} processes",
            admitted,
            least=SHARED.quantity - 1,
            most=SHARED.quantity + 1,
        ),
    )


def compared(rates: Rates) -> dict[str, Ratios]:
    """Print rates, and return the ratio of the limiter's to each other one."""
    others = [name for name in rates if name != "limiter"]
    ratios = {name: Ratios.of(rates["limiter"], rates[name]) for name in others}
    for name, each in rates.items():
        ratio = f"   limiter / {name}: {ratios[name]}" if name in ratios else ""
        print(f"  {name:<14}{statistics.median(each):>8,.0f} calls per second of CPU{ratio}")
    print()
    return ratios


if __name__ == "__main__":
    sys.exit(main())
