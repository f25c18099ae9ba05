"""Measure what a command costs on long streams: CPU, read units, latency, blocking of the loop.

`make bench-streams` runs the referrals service in this process, on a local AWS and an own Redis,
with its decider and read models. Streams of 100, 1,000 and 10,000 commits are written directly;
then commands reserve and release a seat on each. Bounds are ratios to the short stream.
"""

import asyncio
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
LENGTHS: Final = ((1_000, 0), (10_000, 0), (10_000, 1_500))
"""Commits of the long streams, and how many of their past referrals are confirmed."""
COMMANDS: Final = 50
"""Commands that are measured on each stream; as many as one snapshot is written for."""
SHORT_STREAMS: Final = 10
"""Streams that share the commands on short streams, which must not become long ones."""
OTHER_WRITES: Final = 20
"""Writes of another member in one round, next to a short stream and next to a long one."""
ROUNDS: Final = 5
PAST_USES: Final = 8_000

READ_UNIT_BYTES: Final = 4_096
_CONSISTENT: Final = "consistent read"
_PARTIAL: Final = "reads more than it returns"
MAX_RATIO: Final = 2.0
MAX_BLOCK_MS: Final = 50.0
MAX_DELAY_RATIO: Final = 1.5

Handler = CommandHandler[Any, Any, Any]


@dataclass
class Units:
    """Count the read units of every request to DynamoDB by the rule of AWS, from sizes of items.

    The local DynamoDB reports 1 for every request, whatever it reads. AWS adds up the sizes of the
    items that a Query reads, or takes that of the item of a GetItem, rounds up to 4 KB, and charges
    1 unit per 4 KB of a consistent read and 0.5 otherwise; an item that does not exist costs as
    one of 4 KB. Attributes that a projection leaves out, and items that a filter leaves out, are
    charged and not returned: a request that leaves any out is not counted but ends the benchmark.
    """

    read: float = 0.0
    requests: int = 0
    partial: int = 0
    """Requests that read more than they return, so that their units are not known."""
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
        for operation in ("Query", "GetItem"):
            session.register(f"before-parameter-build.dynamodb.{operation}", _note_consistency)
            session.register(f"after-call.dynamodb.{operation}", self._received)
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

    def _received(self, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        items = [parsed["Item"]] if "Item" in parsed else parsed.get("Items", [])
        self.partial += context[_PARTIAL]
        read_bytes = sum(map(item_bytes, items))
        blocks = max(1, -(-read_bytes // READ_UNIT_BYTES))
        self.read += blocks * (1.0 if context[_CONSISTENT] else 0.5)


def _note_consistency(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context[_CONSISTENT] = params.get("ConsistentRead", False)
    context[_PARTIAL] = "ProjectionExpression" in params or "FilterExpression" in params


def item_bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the size of an item as AWS counts it: UTF-8 of names and texts, bytes, numbers.

    A number takes about one byte for two digits, and one more.
    """
    size = 0
    for name, typed in item.items():
        ((kind, value),) = typed.items()
        size += len(name.encode())
        match kind:
            case "S":
                size += len(value.encode())
            case "N":
                size += (len(value.lstrip("-").replace(".", "")) + 1) // 2 + 1
            case "B":
                size += len(value)
            case _:
                raise ValueError(f"no attribute of this system has the type {kind}")
    return size


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
    """Longest CPU time in seconds for which no other task ran."""

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
    longest: float = 0.0
    longest_in: str = ""
    """The task that it was in."""

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

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Find the longest CPU time for which one task keeps the event loop, in `longest`."""
        self.longest = 0.0
        run = asyncio.Handle._run  # noqa: SLF001  the loop calls it for each turn of a task

        def timed(handle: asyncio.Handle) -> None:
            started = time.thread_time()
            run(handle)
            taken = time.thread_time() - started
            if taken > self.longest:
                self.longest, self.longest_in = taken, repr(handle)

        asyncio.Handle._run = timed  # type: ignore[assignment, method-assign]  # noqa: SLF001
        try:
            yield
        finally:
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


async def costs_of(bench: Bench) -> list[Cost]:
    """Measure commands on a short stream and on long ones."""
    each = COMMANDS // SHORT_STREAMS
    short = Cost(SHORT)
    for _ in range(SHORT_STREAMS):
        account = await bench.account(SHORT - each - 1)
        await account.command()  # bring the read models to the head
        await bench.measure(short, account, each)
    watched = await bench.account(SHORT - each - 1)
    await watched.command()
    async with bench.watching():
        await bench.measure(Cost(SHORT), watched, each)
    short.block = bench.longest
    costs = [short]
    for commits, seats in LENGTHS:
        account = await bench.account(commits - 2, seats)
        waited, requests = bench.units.waited, bench.units.requests
        started = time.perf_counter()
        async with bench.watching():
            await account.command()  # loads everything, once
        first = time.perf_counter() - started
        print(
            f"  first command on {commits:,} commits: {first:.2f} s, of which "
            f"{bench.units.waited - waited:.2f} s in {bench.units.requests - requests} requests, "
            f"longest block {1000 * bench.longest:.0f} ms"
            f"{' in ' + bench.longest_in if bench.longest > MAX_BLOCK_MS / 1000 else ''}"
        )
        cost = Cost(commits, seats)
        cost.block = bench.longest
        behind = await bench.catch_up(account)
        print(
            f"  then the index caught up in {len(behind.latencies)} commands: "
            f"{sum(behind.latencies):.2f} s, of which {behind.waited:.2f} s in requests"
        )
        async with bench.watching():
            await bench.measure(cost, account, COMMANDS)
        cost.block = max(cost.block, bench.longest)
        costs.append(cost)
    return costs


async def delays(bench: Bench) -> tuple[float, float, float]:
    """Return the latency of a member's write in ms: alone, next to a short and to a long stream.

    The log is in memory: the local DynamoDB takes longer for a longer stream, and delays others.
    """
    long = await bench.account(2 + 2 * PAST_USES)
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


def report(costs: Sequence[Cost], other: tuple[float, float, float]) -> int:
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
        f"stream,\n  {next_to_long:.1f} ms next to a stream with {PAST_USES:,} past uses"
    )
    cpu = max(cost.cpu_ms for cost in costs) / short.cpu_ms
    units = max(cost.units for cost in costs) / short.units
    return check_bounds(
        Bound("CPU of a long stream, to that of a short one", cpu, most=MAX_RATIO),
        Bound("read units of a long stream, to those of a short one", units, most=MAX_RATIO),
        Bound("longest block in ms", 1000 * max(c.block for c in costs), most=MAX_BLOCK_MS),
        Bound(
            "another member's write, long to short stream",
            next_to_long / next_to_short,
            most=MAX_DELAY_RATIO,
        ),
    )


async def measure(settings: LocalSettings) -> int:
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
        costs = await costs_of(bench)
        store = MemoryEventStore(REFERRALS.codec)
        handler = replace(
            app.handler,
            repository=replace(app.handler.repository, store=store),
            projector=replace(app.handler.projector, store=store),
        )
        code = report(costs, await delays(Bench(handler, None, "", units)))
        await broker.stop()
    await redis.aclose()
    return code


async def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        settings = local_settings(Path(folder))
        with local_aws(settings), redis_server(settings):
            deploy(settings.aws_url, settings.stack, settings.gateway_url)
            return await measure(settings)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
