"""Measure what a command costs on long streams: CPU, read units, latency, blocking of the loop.

    make bench-streams
    python benchmarks/streams.py [--commits 1000 10000]

The referrals service runs in this process, on a local AWS and a separate Redis, with its decider
and read models. Streams of 100 commits and long ones are written directly; then commands reserve
and release a seat on each. Bounds are ratios to the short stream. A block is the CPU time of one
turn of the event loop, without garbage collections; everything is done twice, and a block counts
if two turns were as long: a pause of the machine comes once, a long piece of our code each time.
"""

import argparse
import asyncio
import gc
import itertools
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import aioboto3
from aiobotocore.session import AioSession

from benchmarks.bounds import Bound, check_bounds
from benchmarks.command_costs import bus, silence
from benchmarks.keys import REFERRALS_KEY
from benchmarks.request_units import RequestUnits
from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import IncomingCommand
from chassis.log.dynamodb_items import CommitItems
from chassis.log.event_store import Head, Origin
from chassis.log.memory import MemoryEventStore, StoredCommit
from chassis.run.assembly import assemble
from chassis.run.gc_tuning import tune_gc
from chassis.run.resources import Resources, stores_in
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.messages import Metadata
from contracts.referral_ids import ReferralIds
from contracts.referrals import (
    AccountOpened,
    CodeIssued,
    ReferralConfirmed,
    ReferralEvent,
    ReferralReleased,
    ReferralReserved,
    ReleaseReferral,
    ReserveReferral,
)
from contracts.streams import MEMBERS
from deploy.local.provision import CREDENTIALS, deploy
from deploy.local.settings import REGION, LocalSettings
from redis_batching.connection import connect
from referrals.app import REFERRALS
from referrals.settings import Settings
from tests.support.stack import local_aws, local_settings, redis_server

IDS: Final = ReferralIds.from_secrets(REFERRALS_KEY.get_secret_value())
SHORT: Final = 100
SEATS_SHARE: Final = 0.15
"""Confirmed referrals of the longest streams, as a share of their commits."""
PAST_USES_SHARE: Final = 0.8
"""Past uses of the stream next to which another member writes, as a share of the most commits."""
COMMANDS: Final = 50
"""Commands that are measured on each stream; as many as one snapshot is written for."""
SHORT_STREAMS: Final = 10
"""Streams that share the commands on short streams, which must not become long ones."""
OTHER_WRITES: Final = 20
"""Writes of another member in one round, next to a short stream and next to a long one."""
ROUNDS: Final = 5

MAX_RATIO: Final = 2.0
MAX_BLOCK_RATIO: Final = 3.0
"""A slice is 200 events, twice as many as a short stream has."""
MAX_DELAY_RATIO: Final = 1.5

Handler = CommandHandler[Any, Any, Any]


@dataclass
class Units(RequestUnits):
    """Count the requests to DynamoDB, their read units, and the time that commands wait for it."""

    requests: int = 0
    waited: float = 0.0
    """Seconds in which at least one request was under way."""
    _under_way: int = 0
    _since: float = 0.0

    def session(self) -> AioSession:
        session = AioSession()
        session.set_credentials(*CREDENTIALS.values())
        session.set_config_variable("region", REGION)
        session.register("before-call.dynamodb", self._sent)
        session.register("after-call.dynamodb", self._returned)
        self.watch(session)
        return session

    def _sent(self, **_: Any) -> None:
        if self._under_way == 0:
            self._since = time.perf_counter()
        self._under_way += 1
        self.requests += 1

    def _returned(self, **_: Any) -> None:
        self._under_way -= 1
        if self._under_way == 0:
            self.waited += time.perf_counter() - self._since


@dataclass
class Cost:
    """Sum up what some commands cost."""

    commits: int
    seats: int = 0
    """Confirmed referrals among the past ones."""
    commands: int = 0
    cpu: float = 0.0
    read_units: float = 0.0
    latencies: list[float] = field(default_factory=list)
    waited: float = 0.0
    """Seconds that the commands waited for DynamoDB."""
    block: float = 0.0
    """Longest CPU time in seconds for which no other task ran, twice."""

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu / self.commands

    @property
    def units(self) -> float:
        return self.read_units / self.commands

    @property
    def own_ms(self) -> float:
        """Latency without the local DynamoDB, whose queries take longer on a longer stream."""
        return 1000 * (sum(self.latencies) - self.waited) / self.commands

    @property
    def latency_ms(self) -> float:
        return 1000 * statistics.median(self.latencies)


@dataclass
class Account:
    """Reserve and release a seat of one member, again and again."""

    handler: Handler
    member_id: str
    use: str | None = None
    numbers: Any = field(default_factory=itertools.count)

    async def command(self) -> None:
        command: Any
        if self.use is None:
            command = ReserveReferral(
                member_id=self.member_id,
                code=code_of(self.member_id),
                invited_user=f"newcomer-{next(self.numbers)}@example.org",
            )
            self.use = IDS.use_id(command.member_id, command.invited_user)
        else:
            command = ReleaseReferral(member_id=self.member_id, use_id=self.use)
            self.use = None
        metadata = Metadata(command_id=str(uuid.uuid4()), correlation_id="benchmark", actor="test")
        outcome = await self.handler.handle(IncomingCommand.internal(command, metadata))
        if outcome.state != "accepted":
            sys.exit(f"\nBROKEN  rejected: {outcome.rejection}")


@dataclass
class Bench:
    """Write long streams, and measure commands on them."""

    handler: Handler
    dynamodb: Any
    """A client, or None for a store in memory."""
    table: str
    units: Units
    turns: list[float] = field(default_factory=list)
    """CPU seconds of each turn of the event loop that was watched, without collections."""
    collected: float = 0.0
    """CPU seconds that the garbage collector took so far."""

    async def account(self, commits: int, seats: int = 0) -> Account:
        """Write an account whose stream has this many commits; most are uses that have ended.

        The first `seats` of them are confirmed, and take a seat each.
        """
        member_id = str(uuid.uuid4())
        await self._write(MEMBERS.stream(member_id), past_events(member_id, commits, seats))
        return Account(self.handler, member_id)

    async def catch_up(self, account: Account) -> Cost:
        """Execute commands until the index has all older commands."""
        stream, cost = MEMBERS.stream(account.member_id), Cost(0)
        store = self.handler.repository.store
        while True:
            started, waited = time.perf_counter(), self.units.waited
            await account.command()
            cost.latencies.append(time.perf_counter() - started)
            cost.waited += self.units.waited - waited
            snapshot, head = await store.snapshot(stream), await store.head(stream)
            if snapshot is not None and head.version - snapshot.indexed <= SHORT:
                return cost

    async def measure(self, cost: Cost, account: Account, commands: int) -> None:
        for _ in range(commands):
            read, partial, waited = self.units.read, self.units.partial, self.units.waited
            cpu, started = time.process_time(), time.perf_counter()
            await account.command()
            cost.latencies.append(time.perf_counter() - started)
            cost.cpu += time.process_time() - cpu
            cost.read_units += self.units.read - read
            if self.units.partial > partial:
                sys.exit("\nBROKEN  the read units of a command are not known")
            cost.waited += self.units.waited - waited
            cost.commands += 1

    @property
    def block(self) -> float:
        """Return the longest turn in seconds that another one was as long as."""
        return sorted(self.turns)[-2]

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Measure each turn of the event loop, into `turns`."""
        run = asyncio.Handle._run  # noqa: SLF001  the loop calls it for each turn of a task
        began = 0.0

        def timed(handle: asyncio.Handle) -> None:
            collected, started = self.collected, time.thread_time()
            run(handle)
            self.turns.append(time.thread_time() - started - (self.collected - collected))

        def on_collection(phase: str, _info: Mapping[str, int]) -> None:
            nonlocal began
            if phase == "start":
                began = time.thread_time()
            else:
                self.collected += time.thread_time() - began

        asyncio.Handle._run = timed  # type: ignore[assignment, method-assign]  # noqa: SLF001
        gc.callbacks.append(on_collection)
        try:
            yield
        finally:
            gc.callbacks.remove(on_collection)
            asyncio.Handle._run = run  # type: ignore[method-assign]  # noqa: SLF001

    async def _write(self, stream: str, events: Sequence[ReferralEvent]) -> None:
        at = time.time_ns() // 1_000_000 - 7 * 24 * 3600 * 1000
        if self.dynamodb is None:
            store = self.handler.projector.store
            for version, event in enumerate(events):
                encoding, data = REFERRALS.codec.encode([event])
                origin = Origin(str(uuid.uuid4()), "0" * 64, "benchmark", at + version)
                store.streams[stream].append(  # type: ignore[attr-defined]
                    StoredCommit(stream, version + 1, 1, origin, encoding, data)
                )
            return
        items = CommitItems(REFERRALS.codec)
        rows = [
            items.encode(
                Head(stream, version),
                [event],
                Origin(str(uuid.uuid4()), "0" * 64, "benchmark", at + version, actor="test"),
            )
            for version, event in enumerate(events)
        ]
        free = asyncio.Semaphore(8)

        async def write(start: int) -> None:
            puts = [{"PutRequest": {"Item": row}} for row in rows[start : start + 25]]
            async with free:
                while puts:
                    reply = await self.dynamodb.batch_write_item(RequestItems={self.table: puts})
                    puts = reply["UnprocessedItems"].get(self.table, [])

        await asyncio.gather(*(write(start) for start in range(0, len(rows), 25)))


def code_of(member_id: str) -> str:
    alphabet = "ACDEFGHJKMNPQRTUVWXY"
    return "".join(alphabet[int(digit, 16)] for digit in member_id.replace("-", "")[:8])


def past_events(member_id: str, commits: int, seats: int = 0) -> list[ReferralEvent]:
    start = int(time.time()) - 300 * 24 * 3600
    code = code_of(member_id)
    events: list[ReferralEvent] = [
        AccountOpened(
            member_id=member_id,
            email=f"{member_id}@example.com",
            total_referrals=10 + seats,
            opened_at=start,
        ),
        CodeIssued(member_id=member_id, code=code, issued_at=start),
    ]
    for number in itertools.count():
        if len(events) >= commits:
            return events[:commits]
        use_id, at = str(uuid.uuid4()), start + 600 * number
        events.append(
            ReferralReserved(
                member_id=member_id,
                use_id=use_id,
                code=code,
                invited_user=f"guest-{number}@example.org",
                reserved_at=at,
                expires_at=at + 1_800,
            )
        )
        if number < seats:
            events.append(confirmed(member_id, use_id, number, at))
        else:
            events.append(ReferralReleased(member_id=member_id, use_id=use_id, released_at=at + 60))
    raise AssertionError


def confirmed(member_id: str, use_id: str, number: int, at: int) -> ReferralConfirmed:
    return ReferralConfirmed(
        member_id=member_id,
        use_id=use_id,
        invited_id=str(uuid.uuid4()),
        address_digest=IDS.address_digest(f"guest-{number}@example.org"),
        confirmed_at=at + 60,
    )


async def costs_of(bench: Bench, lengths: Sequence[tuple[int, int]]) -> list[Cost]:
    """Measure commands on a short stream and on long ones of (commits, confirmed referrals)."""
    each = COMMANDS // SHORT_STREAMS
    short = Cost(SHORT)
    bench.turns.clear()
    for _ in range(SHORT_STREAMS):
        account = await bench.account(SHORT - each - 1)
        await account.command()  # bring the read models to the head
        async with bench.watching():
            await bench.measure(short, account, each)
    short.block = bench.block
    return [short, *[await cost_of_long(bench, *length) for length in lengths]]


async def cost_of_long(bench: Bench, commits: int, seats: int) -> Cost:
    bench.turns.clear()
    for _ in range(2):
        account = await bench.account(commits - 2, seats)
        await first_command(bench, account, commits)
    behind = await bench.catch_up(account)
    print(
        f"  then the index caught up in {len(behind.latencies)} commands: "
        f"{sum(behind.latencies):.2f} s, of which {behind.waited:.2f} s in requests"
    )
    cost = Cost(commits, seats)
    for _ in range(2):
        async with bench.watching():
            await bench.measure(cost, account, COMMANDS)
    cost.block = bench.block
    return cost


async def first_command(bench: Bench, account: Account, commits: int) -> None:
    """Execute the command that loads everything, once."""
    waited, requests, collected = bench.units.waited, bench.units.requests, bench.collected
    started = time.perf_counter()
    async with bench.watching():
        await account.command()
    print(
        f"  first command on {commits:,} commits: {time.perf_counter() - started:.2f} s, of which "
        f"{bench.units.waited - waited:.2f} s in {bench.units.requests - requests} requests and "
        f"{1000 * (bench.collected - collected):.0f} ms of garbage collection"
    )


async def delays(bench: Bench, past_uses: int) -> tuple[float, float, float]:
    """Return the latency of a member's write in ms: alone, next to a short and to a long stream.

    The log is in memory: the local DynamoDB takes longer for a longer stream, and delays others.
    """
    long = await bench.account(2 + 2 * past_uses)
    await bench.catch_up(long)
    alone, next_to_short, next_to_long = Cost(0), Cost(0), Cost(0)
    for _ in range(ROUNDS):  # in turns, so that other load on the machine slows all of them
        short = await bench.account(10)  # a new one, which does not become long
        await _write_next_to(bench, alone, None)
        await _write_next_to(bench, next_to_short, short)
        await _write_next_to(bench, next_to_long, long)
    return alone.latency_ms, next_to_short.latency_ms, next_to_long.latency_ms


async def _write_next_to(bench: Bench, cost: Cost, other: Account | None) -> None:
    """Measure writes of a new member while another account is written as well."""
    member = await bench.account(10)
    await member.command()

    async def write() -> None:
        while other is not None:
            await other.command()

    task = asyncio.create_task(write())
    await bench.measure(cost, member, OTHER_WRITES)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def report(costs: Sequence[Cost], other: tuple[float, float, float], past_uses: int) -> int:
    short = costs[0]
    print(
        "\n  commits  seats      CPU ms      read units   latency ms     own ms"
        "     longest block ms\n"
    )
    for cost in costs:
        print(
            f"  {cost.commits:>7,}  {cost.seats:>5,}"
            f"  {cost.cpu_ms:>6.1f} ({cost.cpu_ms / short.cpu_ms:.2f})"
            f"  {cost.units:>6.1f} ({cost.units / short.units:.2f})"
            f"  {cost.latency_ms:>6.1f} ({cost.latency_ms / short.latency_ms:.2f})"
            f"  {cost.own_ms:>6.1f} ({cost.own_ms / short.own_ms:.2f})"
            f"  {1000 * cost.block:>12.1f}"
        )
    alone, next_to_short, next_to_long = other
    print(
        f"\n  another member's write: {alone:.1f} ms alone, {next_to_short:.1f} ms next to a short "
        f"stream,\n  {next_to_long:.1f} ms next to a stream with {past_uses:,} past uses"
    )
    cpu = max(cost.cpu_ms for cost in costs) / short.cpu_ms
    units = max(cost.units for cost in costs) / short.units
    block = max(cost.block for cost in costs) / short.block
    return check_bounds(
        Bound("CPU of a long stream, to that of a short one", cpu, most=MAX_RATIO),
        Bound("read units of a long stream, to those of a short one", units, most=MAX_RATIO),
        Bound(
            "longest block of a long stream, to that of a short one", block, most=MAX_BLOCK_RATIO
        ),
        Bound(
            "another member's write, long to short stream",
            next_to_long / next_to_short,
            most=MAX_DELAY_RATIO,
        ),
    )


async def measure(settings: LocalSettings, commits: Sequence[int]) -> int:
    silence()
    units = Units()
    session = units.session()
    redis = connect(settings.redis_url)
    boto = aioboto3.Session(botocore_session=session)
    async with boto.client("dynamodb", endpoint_url=settings.aws_url) as dynamodb:
        broker = bus(settings, session)
        await broker.connect()
        resources = Resources(redis, broker, stores_in(dynamodb, settings.stack), dynamodb)
        service = Settings(
            stack=settings.stack, redis_url=settings.redis_url, referrals_key=REFERRALS_KEY
        )
        app = assemble(REFERRALS, service, resources)
        await ReadModelWatcher(app.rebuilder.projector).rebuild_needed()
        tune_gc()
        bench = Bench(app.handler, dynamodb, f"{settings.stack}-referrals-events", units)
        most, past_uses = max(commits), int(max(commits) * PAST_USES_SHARE)
        lengths = [*((each, 0) for each in commits), (most, int(most * SEATS_SHARE))]
        costs = await costs_of(bench, lengths)
        store = MemoryEventStore(REFERRALS.codec)
        handler = replace(
            app.handler,
            repository=replace(app.handler.repository, store=store),
            projector=replace(app.handler.projector, store=store),
        )
        other = await delays(Bench(handler, None, "", units), past_uses)
        code = report(costs, other, past_uses)
        await broker.stop()
    await redis.aclose()
    return code


async def main(commits: Sequence[int]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        settings = local_settings(Path(folder))
        with local_aws(settings), redis_server(settings):
            deploy(settings.aws_url, settings.stack, settings.gateway_url)
            return await measure(settings, commits)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--commits", type=int, nargs="+", default=[1_000, 10_000])
    sys.exit(asyncio.run(main(parser.parse_args().commits)))
