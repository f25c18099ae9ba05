"""Measure a rebuild: its growth with the log, its distance from bare loops, and a peer.

    make bench-replay
    python benchmarks/replay.py [--events 10000 100000 1000000] [--compare 20000] [--rounds 7]

The log is served by a stand-in for DynamoDB, because the local AWS takes longer for later pages.
For the growth it generates each page at a constant cost; for the comparison with bare loops it
holds the bodies of all replies, and parses them as `aws_json` does. Everything behind the replies
is real: decoding, fold, guard script, Redis. CPU seconds are those of this program and of Redis
together.

What is compared takes turns in one process, and a bound is on the median of the ratios of all
rounds. The bare loop folds decoded events and writes them by the same script, once on redis-py's
client and its pipeline, once on our client; it is compared by the clock, since a rebuild decodes a
page while Redis writes another one. Everything else is compared by CPU time. The peer is the
library `eventsourcing` on SQLite in memory, with the garbage collector as Python sets it. Decoding
is compared for the body of one page: by aiobotocore's parser and by `aws_json`.

Growth: the largest log is rebuilt between two rebuilds of the smallest, in a process whose peak of
memory is compared with that of a process that rebuilds the smallest only.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import psutil
import structlog
from aiobotocore.parsers import AioResponseParserFactory
from aiobotocore.session import get_session
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from redis.asyncio import Redis

from aws_json.http import Response
from aws_json.operation import Operation
from benchmarks.bounds import Bound, check_bounds
from benchmarks.paired import Ratios, turns
from chassis.log.dynamodb import DynamoDBEventStore
from chassis.log.event_store import History
from chassis.run.gc_tuning import tune_gc
from chassis.views.change import APPLY, Change, Position
from chassis.views.projector import Projector
from chassis.views.rebuild.progress import RebuildProgress
from chassis.views.rebuild.run import SEGMENTS, Rebuilder
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.referral_code import from_entropy
from contracts.referrals import CODE_OWNERS
from deploy.local.programs import stop
from deploy.local.settings import LocalSettings
from redis_batching.connection import connect
from referrals.app import REFERRALS
from tests.support.stack import local_settings, start_redis

PAGE_ITEMS = 1_000
EVENTS_PER_COMMIT = 2
CODE = from_entropy(bytes(32))
"""One code for all members, since the index of codes is not rebuilt."""
GROWTH_LIMIT, MEMORY_LIMIT_MB = 1.3, 20
REDIS_PY_LIMIT, OUR_CLIENT_LIMIT, BARE_LOOP_GOAL = 0.6, 0.5, 0.8
PEER_LIMIT, ONE_SCAN_LIMIT, DECODING_LIMIT = 1.5, 0.8, 5.0
SCAN_ROUNDS, DECODING_ROUNDS = 3, 15
PEER_MEMBERS = 4_000
GROWTH_EVENTS = 100_000
"""Events of the largest log that all rounds of the growth rebuild together, at least one round."""
MODELS = REFERRALS.name, REFERRALS.read_models
UNTUNED = 700, 10, 10
"""Python's thresholds of the garbage collector."""
REDIS_PY, OUR_CLIENT = "bare loop on redis-py's client", "bare loop on our client"


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
    memory_mb: float = 0.0
    """Peak of the resident memory."""

    @property
    def microseconds(self) -> float:
        return self.seconds / self.events * 1e6

    @property
    def cpu_microseconds(self) -> float:
        return self.cpu / self.events * 1e6


class StoredBodies(StoredPages):
    """Answer scans from bodies of replies that were made beforehand, as `aws_json` decodes them."""

    def __init__(self, commits: int, operation: Operation) -> None:
        super().__init__(commits)
        self._operation = operation
        self._bodies: dict[str, bytes] = {}

    @classmethod
    async def of(cls, commits: int) -> Self:
        """Make the bodies of all pages of a rebuild."""
        made, pages = cls(commits, await scan_operation()), StoredPages(commits)
        for segment in range(SEGMENTS):
            request: dict[str, Any] = {"Segment": segment, "TotalSegments": SEGMENTS}
            while True:
                reply = await pages.scan(**request)
                made._bodies[_page(request)] = json.dumps(reply).encode()
                if "LastEvaluatedKey" not in reply:
                    break
                request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]
        return made

    async def scan(self, **request: Any) -> dict[str, Any]:
        return self._operation.decode(Response(200, {}, self._bodies[_page(request)]), 0)


def _page(request: Mapping[str, Any]) -> str:
    return json.dumps([request["Segment"], request.get("ExclusiveStartKey")])


async def scan_operation() -> Operation:
    async with get_session().create_client("dynamodb", region_name="eu-west-2") as client:
        return Operation("scan", client.meta.service_model.operation_model("Scan"))


def store_of(pages: StoredPages) -> DynamoDBEventStore[Any]:
    return DynamoDBEventStore(pages, events="events", meta="meta", codec=REFERRALS.codec)


async def rebuild(settings: LocalSettings, redis_pid: int, events: int) -> Run:
    redis = connect(settings.redis_url)
    await redis.flushall()
    projector = Projector(redis, store_of(StoredPages(events // EVENTS_PER_COMMIT)), *MODELS)
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


async def grow(
    settings: LocalSettings, redis_pid: int, sizes: Sequence[int], rounds: int
) -> list[list[Run]]:
    """Rebuild logs one after the other; return the runs of each round."""
    return [[await rebuild(settings, redis_pid, events) for events in sizes] for _ in range(rounds)]


async def compare_scans(
    settings: LocalSettings, redis_pid: int, events: int, rounds: int
) -> dict[str, list[Run]]:
    ways: dict[str, Callable[[], Awaitable[Run]]] = {
        "one scan": partial(rebuild_all, settings, redis_pid, events, one_scan=True),
        "one scan each": partial(rebuild_all, settings, redis_pid, events, one_scan=False),
    }
    return await take_turns(ways, rounds)


async def rebuild_all(
    settings: LocalSettings, redis_pid: int, events: int, *, one_scan: bool
) -> Run:
    """Rebuild the read models of the service, by one scan or each by a scan of its own.

    Without the index of codes, since all members have the same.
    """
    redis = connect(settings.redis_url)
    await redis.flushall()
    models = [model for model in REFERRALS.read_models if model.name != CODE_OWNERS.name]
    projector = Projector(
        redis, store_of(StoredPages(events // EVENTS_PER_COMMIT)), REFERRALS.name, models
    )
    clock = Clock(redis_pid)
    clock.start()
    if one_scan:
        await ReadModelWatcher(projector).rebuild_needed()
    else:
        for model in projector.models:
            await Rebuilder(projector).rebuild(model.name)
    seconds, cpu = clock.read()
    await redis.aclose()
    return Run(events, seconds, 0.0, cpu)


async def take_turns(
    works: Mapping[str, Callable[[], Awaitable[Run]]], rounds: int
) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = defaultdict(list)
    for number in range(rounds):
        for name in turns(list(works), number):
            runs[name].append(await works[name]())
    return runs


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


async def compare(
    settings: LocalSettings, redis_pid: int, events: int, rounds: int
) -> dict[str, list[Run]]:
    """Let the rebuild, both bare loops and the peer take turns."""
    histories = [history async for history in decoded(events // EVENTS_PER_COMMIT)]
    peer = Peer(min(events // EVENTS_PER_COMMIT, PEER_MEMBERS))
    pages = await StoredBodies.of(events // EVENTS_PER_COMMIT)
    works: dict[str, Callable[[], Awaitable[Run]]] = {
        REDIS_PY: partial(bare, settings, redis_pid, histories, ours=False),
        "rebuild": partial(scan, settings, redis_pid, events, pages),
        OUR_CLIENT: partial(bare, settings, redis_pid, histories, ours=True),
        "peer": peer.replay,
    }
    tune_gc()
    for work in works.values():  # warm up
        await work()
    return await take_turns(works, rounds)


class Scanned(Exception):
    """Ends a rebuild after its scan, before it verifies."""


async def scan(settings: LocalSettings, redis_pid: int, events: int, pages: StoredPages) -> Run:
    """Rebuild until all pages have been scanned."""
    redis = connect(settings.redis_url)
    await redis.flushall()
    projector = Projector(redis, store_of(pages), *MODELS)
    clock = Clock(redis_pid)

    def on_page(progress: RebuildProgress) -> None:
        clock.page(progress)
        if clock.scan is not None:
            assert progress.events == events, progress
            raise Scanned

    clock.start()
    with contextlib.suppress(Scanned):
        await Rebuilder(projector, on_page).rebuild("members")
    assert clock.scan is not None
    await redis.aclose()
    return Run(events, clock.scan[0], 0.0, clock.scan[1])


async def bare(
    settings: LocalSettings, redis_pid: int, histories: Sequence[History[Any]], *, ours: bool
) -> Run:
    """Fold decoded events and write them by the same script, in a plain loop.

    It uses redis-py's client and pipeline, or `ours`.
    """
    redis: Any = connect(settings.redis_url) if ours else Redis.from_url(settings.redis_url)
    await redis.flushall()
    projector: Projector[Any] = Projector(redis, store_of(StoredPages(1)), *MODELS)
    target = projector.target("members", 1)
    assert target is not None
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
    return Run(len(histories) * EVENTS_PER_COMMIT, wall, 0.0, cpu)


async def decoded(commits: int) -> AsyncIterator[History[Any]]:
    async for page in store_of(StoredPages(commits)).scan():
        for commit in page.commits:
            yield History(commit.head, (commit,))


class Peer:
    """Replay aggregates of the same two events with the eventsourcing library, from SQLite."""

    def __init__(self, members: int) -> None:
        class Member(Aggregate):
            @event("AccountOpened")
            def __init__(self, email: str, total_referrals: int, opened_at: int) -> None:
                self.email, self.total_referrals = email, total_referrals
                self.opened_at = opened_at
                self.code: str | None = None

            @event("CodeIssued")
            def issue(self, code: str, issued_at: int) -> None:
                self.code, self.issued_at = code, issued_at

        self._app: Any = Application(
            env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": ":memory:"}
        )
        self._ids = []
        for number in range(members):
            member = Member(f"m{number}@example.com", 10, 1795486753)
            member.issue(CODE, 1795486753)
            self._app.save(member)
            self._ids.append(member.id)

    async def replay(self) -> Run:
        tuned = gc.get_threshold()
        gc.set_threshold(*UNTUNED)
        wall, cpu = time.perf_counter(), time.process_time()
        for identity in self._ids:
            assert self._app.repository.get(identity).version == EVENTS_PER_COMMIT
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        gc.set_threshold(*tuned)
        return Run(len(self._ids) * EVENTS_PER_COMMIT, wall, 0.0, cpu)


async def compare_decoding(rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds that it takes to parse the body of one page, in each round."""
    operation = await scan_operation()
    page: dict[str, Any] = await StoredPages(PAGE_ITEMS * 2).scan(Segment=0, TotalSegments=1)
    items = page["Items"]
    body = json.dumps(page | {"Count": len(items), "ScannedCount": len(items)}).encode()
    parser = AioResponseParserFactory().create_parser("json")

    async def generic() -> Any:
        received = {"headers": {}, "status_code": 200, "body": body, "context": {}}
        return await parser.parse(received, operation.model.output_shape)

    async def ours() -> Any:
        return operation.decode(Response(200, {}, body), 0)

    assert (await generic())["Items"] == (await ours())["Items"] == items
    works = {"generic": generic, "ours": ours}
    spent: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        for name in turns(list(works), number):
            started = time.process_time()
            await works[name]()
            spent[name].append(time.process_time() - started)
    return spent


def in_process(work: Callable[..., Any], *arguments: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def run(work: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    tune_gc()

    async def done() -> Any:
        return await work(*arguments)

    return asyncio.run(done())


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--compare", type=int, default=20_000, help="events, in each round")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    small, *between, large = sorted(arguments.events)
    n, rounds = arguments.compare, arguments.rounds
    with tempfile.TemporaryDirectory() as state:
        settings = local_settings(Path(state))
        redis = start_redis(settings)
        stack = settings, redis.pid
        try:
            repeated = max(GROWTH_EVENTS // large, 1)
            grown = [in_process(run, grow, *stack, [small], repeated)[-1][0]]
            grown += [in_process(run, grow, *stack, [size], 1)[0][0] for size in between]
            triples = in_process(run, grow, *stack, [small, large, small], repeated)
            runs = in_process(run, compare, *stack, n, rounds)
            scans = in_process(run, compare_scans, *stack, n // 5, SCAN_ROUNDS)
            decoding = in_process(run, compare_decoding, DECODING_ROUNDS)
        finally:
            stop(redis)
    grown.append(triples[-1][1])
    report_growth(grown)
    report_runs(runs)
    return check_bounds(
        *growth_bounds(grown, triples), *scan_bounds(scans, decoding), *ceiling_bounds(runs)
    )


def report_growth(grown: Sequence[Run]) -> None:
    print("\nGrowth (pages are made at a constant cost, not by the local AWS)\n")
    print(f"{'events':>10}{'µs/event':>10}{'CPU µs':>8}{'events/s':>10}{'sweep s':>9}{'MB':>7}")
    for each in grown:
        print(
            f"{each.events:>10,}{each.microseconds:>10.1f}{each.cpu_microseconds:>8.1f}"
            f"{1e6 / each.microseconds:>10,.0f}{each.sweep_seconds:>9.1f}{each.memory_mb:>7.0f}"
        )


def report_runs(runs: Mapping[str, Sequence[Run]]) -> None:
    first = runs["rebuild"]
    print(f"\n{first[0].events:,} events, {len(first)} rounds\n")
    print(f"{'':<32}{'µs/event':>10}{'CPU µs':>8}")
    for name, each in runs.items():
        wall = statistics.median(one.microseconds for one in each)
        cpu = statistics.median(one.cpu_microseconds for one in each)
        print(f"{name:<32}{wall:>10.1f}{cpu:>8.1f}")


def ratios_of(name: str, measured: Sequence[float], others: Sequence[float]) -> float:
    """Print the ratios of all rounds, and return their median."""
    ratios = Ratios.of(measured, others)
    print(f"{name}: {ratios}")
    return ratios.median


def growth_bounds(grown: Sequence[Run], triples: Sequence[Sequence[Run]]) -> list[Bound]:
    growth = ratios_of(
        "largest / smallest log",
        [large.cpu_microseconds for _, large, _ in triples],
        [(one.cpu_microseconds + two.cpu_microseconds) / 2 for one, _, two in triples],
    )
    memory = grown[-1].memory_mb - grown[0].memory_mb
    return [
        Bound("time per event, largest / smallest log", growth, most=GROWTH_LIMIT),
        Bound("MB of memory, largest - smallest log", abs(memory), most=MEMORY_LIMIT_MB),
    ]


def scan_bounds(
    scans: Mapping[str, Sequence[Run]], decoding: Mapping[str, Sequence[float]]
) -> list[Bound]:
    one, each = ([run.cpu for run in scans[way]] for way in ("one scan", "one scan each"))
    share = ratios_of("one scan / one each", one, each)
    cheaper = ratios_of("parsing a page", decoding["generic"], decoding["ours"])
    return [
        Bound("CPU, all read models by one scan / one each", share, most=ONE_SCAN_LIMIT),
        Bound("CPU to decode a page, aiobotocore / aws_json", cheaper, least=DECODING_LIMIT),
    ]


def ceiling_bounds(runs: Mapping[str, Sequence[Run]]) -> list[Bound]:
    limits = {REDIS_PY: REDIS_PY_LIMIT, OUR_CLIENT: OUR_CLIENT_LIMIT}
    seconds = {name: [run.seconds for run in each] for name, each in runs.items()}
    cpu = {name: [run.cpu_microseconds for run in each] for name, each in runs.items()}
    for name in limits:
        ratios_of(f"CPU, {name} / rebuild", cpu[name], cpu["rebuild"])
    peer = ratios_of("CPU, peer / rebuild", cpu["peer"], cpu["rebuild"])
    return [
        *(
            Bound(
                title := f"time, {name} / rebuild",
                ratios_of(title, seconds[name], seconds["rebuild"]),
                least=limit,
                goal=BARE_LOOP_GOAL,
            )
            for name, limit in limits.items()
        ),
        Bound("CPU per event, peer / rebuild", peer, least=PEER_LIMIT),
    ]


if __name__ == "__main__":
    sys.exit(main())
