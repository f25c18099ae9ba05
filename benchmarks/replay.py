"""Measure a rebuild: its growth with the log, its distance from a bare loop, and a peer.

    make bench-replay
    python benchmarks/replay.py [--events 10000 100000 1000000] [--compare 100000]

The log is served by a stand-in for DynamoDB that generates each page at a constant cost, because
the local AWS takes longer for later pages. Everything behind its replies is real: decoding, fold,
guard script, Redis. Each size runs in a separate process. CPU seconds are those of this program
and of Redis together.
"""

import argparse
import asyncio
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import structlog
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from redis.asyncio import Redis

from benchmarks.bounds import Bound, check_bounds
from chassis.log.dynamodb import DynamoDBEventStore
from chassis.log.event_store import History
from chassis.run.gc_tuning import tune_gc
from chassis.views.change import APPLY, Change, Position
from chassis.views.projector import Projector
from chassis.views.rebuild.progress import RebuildProgress
from chassis.views.rebuild.run import Rebuilder
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.referral_code import from_entropy
from contracts.referrals import CODE_OWNERS
from deploy.local.programs import stop
from deploy.local.settings import LocalSettings
from redis_batching.connection import connect
from referrals.app import REFERRALS
from tests.support.stack import local_settings, start_redis

ROOT = Path(__file__).resolve().parents[1]
PAGE_ITEMS = 1_000
EVENTS_PER_COMMIT = 2
CODE = from_entropy(bytes(32))
"""One code for all members, since the index of codes is not rebuilt."""
GROWTH_LIMIT, MEMORY_LIMIT_MB = 1.3, 20
BARE_LOOP_LIMIT, BARE_LOOP_GOAL, PEER_LIMIT, ONE_SCAN_LIMIT = 0.6, 0.8, 2.0, 0.8


class StoredPages:
    """Replace the DynamoDB client of a rebuild; item n is a function of n."""

    def __init__(self, commits: int) -> None:
        self.commits = commits

    async def scan(self, **request: Any) -> dict[str, Any]:
        segment, segments = request["Segment"], request["TotalSegments"]
        start = int(request.get("ExclusiveStartKey", {}).get("n", {"N": str(segment)})["N"])
        numbers = range(start, self.commits, segments)[:PAGE_ITEMS]
        reply: dict[str, Any] = {"Items": [item(number) for number in numbers]}
        if numbers and numbers[-1] + segments < self.commits:
            reply["LastEvaluatedKey"] = {"n": {"N": str(numbers[-1] + segments)}}
        return reply

    async def query(self, **request: Any) -> dict[str, Any]:
        stream = request["ExpressionAttributeValues"][":p"]["S"]
        return {"Items": [item(int(stream[-12:], 16))]}

    async def describe_table(self, **_: Any) -> dict[str, Any]:
        return {"Table": {"ItemCount": self.commits}}


def item(number: int) -> dict[str, dict[str, str]]:
    """Return the commit of a member who has opened an account, as the service stores it."""
    member = f"00000000-0000-4000-8000-{number:012x}"
    events = (
        f'[{{"t":"AccountOpened","v":1,"d":{{"memberId":"{member}","email":"m{number}@example.com",'
        f'"totalReferrals":10,"openedAt":1795486753}}}},{{"t":"CodeIssued","v":1,"d":'
        f'{{"memberId":"{member}","code":"{CODE}","issuedAt":1795486753}}}}]'
    )
    return {
        "p": {"S": f"member-{member}"}, "s": {"N": "1"}, "n": {"N": "2"}, "c": {"S": member},
        "h": {"S": "853fe2c29aaef18a82e6c3f56d4e799e"}, "t": {"N": "1795486753978"},
        "x": {"S": "51307c2130ae41d4"}, "e": {"S": events}, "z": {"S": "j"},
    }  # fmt: skip


@dataclass(frozen=True)
class Run:
    """Hold the measurements of one run."""

    events: int
    seconds: float
    """Time of the scan, which is the replay."""
    sweep_seconds: float
    cpu: float
    """CPU seconds of this process and of Redis during the scan."""
    memory_mb: float
    """Peak of the resident memory."""

    @property
    def microseconds(self) -> float:
        return self.seconds / self.events * 1e6

    @property
    def cpu_microseconds(self) -> float:
        return self.cpu / self.events * 1e6


def store_of(commits: int) -> DynamoDBEventStore[Any]:
    return DynamoDBEventStore(
        StoredPages(commits), events="events", meta="meta", codec=REFERRALS.codec
    )


async def rebuild(settings: LocalSettings, redis_pid: int, events: int) -> Run:
    redis = connect(settings.redis_url)
    await redis.flushall()
    store = store_of(events // EVENTS_PER_COMMIT)
    projector = Projector(redis, store, REFERRALS.name, REFERRALS.read_models)
    clock = Clock(redis_pid)
    rebuilder = Rebuilder(projector, on_page=clock.page)
    clock.start()
    progress = await rebuilder.rebuild("members")
    done = clock.read()
    assert progress.events == events, progress
    scan = clock.scan or done
    await redis.aclose()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Run(events, scan[0], done[0] - scan[0], scan[1], peak)


async def rebuild_all(
    settings: LocalSettings, redis_pid: int, events: int, *, one_scan: bool
) -> Run:
    """Rebuild the read models of the service, by one scan or each by a scan of its own.

    Without the index of codes, since all members have the same.
    """
    redis = connect(settings.redis_url)
    await redis.flushall()
    models = [model for model in REFERRALS.read_models if model.name != CODE_OWNERS.name]
    projector = Projector(redis, store_of(events // EVENTS_PER_COMMIT), REFERRALS.name, models)
    clock = Clock(redis_pid)
    clock.start()
    if one_scan:
        await ReadModelWatcher(projector).rebuild_needed()
    else:
        for model in projector.models:
            await Rebuilder(projector).rebuild(model.name)
    seconds, cpu = clock.read()
    await redis.aclose()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Run(events, seconds, 0.0, cpu, peak)


class Clock:
    """Measure time and CPU from the start, and at the end of the scan."""

    def __init__(self, redis_pid: int) -> None:
        self._redis = psutil.Process(redis_pid)
        self.scan: tuple[float, float] | None = None

    def start(self) -> None:
        self._wall, self._cpu = time.perf_counter(), self._spent()

    def page(self, progress: RebuildProgress) -> None:
        scanned = progress.segments_done == progress.segments or progress.state != "scanning"
        if self.scan is None and scanned:
            self.scan = self.read()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self._wall, self._spent() - self._cpu

    def _spent(self) -> float:
        times = self._redis.cpu_times()
        return time.process_time() + float(times.user + times.system)


async def bare(settings: LocalSettings, redis_pid: int, events: int, *, ours: bool = False) -> Run:
    """Fold decoded events and write them by the same script, in a plain loop.

    It uses redis-py's client and pipeline, or `ours`.
    """
    redis: Any = connect(settings.redis_url) if ours else Redis.from_url(settings.redis_url)
    await redis.flushall()
    projector: Projector[Any] = Projector(redis, store_of(1), REFERRALS.name, REFERRALS.read_models)
    target = projector.target("members", 1)
    assert target is not None
    histories = [history async for history in decoded(events // EVENTS_PER_COMMIT)]
    await redis.script_load(APPLY.text)
    clock = Clock(redis_pid)
    clock.start()
    for start in range(0, len(histories), PAGE_ITEMS):
        changes = []
        for history in histories[start : start + PAGE_ITEMS]:
            fields = target.model.changes(history.head.stream, history.events, {})
            arguments: list[Any] = []
            for name, value in fields.items():
                arguments += ["+", name, value]
            location = target.location(history.head.stream)
            head = Position(history.head.version, history.fingerprint)
            changes.append(Change(location, "first", Position(0), head, tuple(arguments)))
        commands = [change.command() for change in changes]
        if ours:
            await redis.execute_many(commands)
        else:
            pipe = redis.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command)
            await pipe.execute()
    wall, cpu = clock.read()
    await redis.aclose()
    return Run(events, wall, 0.0, cpu, 0.0)


async def decoded(commits: int) -> AsyncIterator[History[Any]]:
    async for page in store_of(commits).scan():
        for commit in page.commits:
            yield History(commit.head, (commit,))


def peer(events: int) -> Run:
    """Replay aggregates of the same two events with the eventsourcing library, from SQLite."""

    class Member(Aggregate):
        @event("AccountOpened")
        def __init__(self, email: str, total_referrals: int, opened_at: int) -> None:
            self.email, self.total_referrals, self.opened_at = email, total_referrals, opened_at
            self.code: str | None = None

        @event("CodeIssued")
        def issue(self, code: str, issued_at: int) -> None:
            self.code, self.issued_at = code, issued_at

    app: Any = Application(
        env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": ":memory:"}
    )
    ids = []
    for number in range(events // EVENTS_PER_COMMIT):
        member = Member(f"m{number}@example.com", 10, 1795486753)
        member.issue(CODE, 1795486753)
        app.save(member)
        ids.append(member.id)
    wall, cpu = time.perf_counter(), time.process_time()
    for identity in ids:
        assert app.repository.get(identity).version == EVENTS_PER_COMMIT
    return Run(events, time.perf_counter() - wall, 0.0, time.process_time() - cpu, 0.0)


def in_process(work: Callable[..., Any], *arguments: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def run(kind: str, settings: LocalSettings, redis_pid: int, events: int) -> Run:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    tune_gc()
    work: Any = {
        "rebuild": rebuild,
        "bare": bare,
        "bare-ours": partial(bare, ours=True),
        "one-scan": partial(rebuild_all, one_scan=True),
        "own-scans": partial(rebuild_all, one_scan=False),
    }[kind]
    done: Run = asyncio.run(work(settings, redis_pid, events))
    return done


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--compare", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        settings = local_settings(Path(state))
        redis = start_redis(settings)
        try:
            grown = [in_process(run, "rebuild", settings, redis.pid, n) for n in arguments.events]
            n = arguments.compare
            ours, bare_loop, same_client = [], [], []
            for _ in range(3):  # alternating; the best of each counts
                bare_loop.append(in_process(run, "bare", settings, redis.pid, n))
                same_client.append(in_process(run, "bare-ours", settings, redis.pid, n))
                ours.append(in_process(run, "rebuild", settings, redis.pid, n))
            own_scans = in_process(run, "own-scans", settings, redis.pid, n)
            one_scan = in_process(run, "one-scan", settings, redis.pid, n)
            other = in_process(peer, min(n, 20_000))
        finally:
            stop(redis)
    print(
        f"\nAll read models of {n:,} events: {one_scan.seconds:.1f} s by one scan, "
        f"{own_scans.seconds:.1f} s by one each; {one_scan.memory_mb:.0f} and "
        f"{own_scans.memory_mb:.0f} MB"
    )
    return report(
        grown, best(ours), best(bare_loop), best(same_client), other, one_scan.cpu / own_scans.cpu
    )


def best(runs: list[Run]) -> Run:
    return min(runs, key=lambda run: run.seconds)


def report(  # noqa: PLR0917  one argument per measurement
    grown: list[Run], ours: Run, bare_loop: Run, same_client: Run, other: Run, one_scan: float
) -> int:
    print("\nGrowth (pages are made at a constant cost, not by the local AWS)\n")
    print(f"{'events':>10}{'µs/event':>10}{'CPU µs':>8}{'events/s':>10}{'sweep s':>9}{'MB':>7}")
    for each in grown:
        print(
            f"{each.events:>10,}{each.microseconds:>10.1f}{each.cpu_microseconds:>8.1f}"
            f"{1e6 / each.microseconds:>10,.0f}{each.sweep_seconds:>9.1f}{each.memory_mb:>7.0f}"
        )
    growth = grown[-1].microseconds / grown[0].microseconds
    memory = grown[-1].memory_mb - grown[0].memory_mb
    print(
        f"\nWith our Redis client the bare loop takes {same_client.microseconds:.1f} µs per event: "
        f"{same_client.microseconds / ours.microseconds:.2f} of the rebuild's time"
    )
    return check_bounds(
        Bound("time per event, largest / smallest log", growth, most=GROWTH_LIMIT),
        Bound("MB of memory, largest - smallest log", abs(memory), most=MEMORY_LIMIT_MB),
        Bound("CPU, all read models by one scan / one each", one_scan, most=ONE_SCAN_LIMIT),
        Bound(
            "time, bare loop / rebuild",
            bare_loop.seconds / ours.seconds,
            least=BARE_LOOP_LIMIT,
            goal=BARE_LOOP_GOAL,
        ),
        Bound(
            "CPU per event, peer / rebuild",
            other.cpu_microseconds / ours.cpu_microseconds,
            least=PEER_LIMIT,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
