"""A worker carries an analysis from request to report: resumed, rewound, superseded, failing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from redis.asyncio import Redis

from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import IncomingCommand
from chassis.log.codec import Codec
from chassis.log.event_store import Head, Origin
from chassis.log.memory import MemoryEventStore
from compute import worker as worker_module
from compute.app import COMPUTE
from compute.chain_facts import ChainFacts, PinnedBlock, RequiredFacts, TokenInfo
from compute.contradictions import Balances, Contradictions
from compute.domain import STALLED_SECONDS, analyses
from compute.gathering import FACT_ROUNDS
from compute.ports import AnalysisFailure, AnalysisResult, MergedTransfers
from compute.run import Job, Run
from compute.state import (
    Analysis,
    Completed,
    Failed,
    Requested,
    Running,
    checkpoints_of,
    synced_to,
)
from compute.transfers import TransferRange, TransferRow, Transfers
from compute.worker import FAILPOINTS, Worker
from contracts.compute import (
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisRequested,
    AnalysisStarted,
    ComputeEvent,
    RecordProgress,
    RequestAnalysis,
    report_key,
)
from contracts.compute import reports_cache as cache_prefix
from contracts.messages import Metadata
from readthrough import RAO, MemoryTable, Stored, VersionedStore
from tests.compute.service import compute_settings
from tests.compute.simulated_token import TOKEN
from tests.support.services import Services, build_read_models

JOB = Job(1, TOKEN, "correlation")
KEY = report_key(1, TOKEN)


class Killed(BaseException):
    """Simulates SIGKILL: no handler catches it."""


@dataclass
class FakeChain:
    """A chain of numbered blocks, one transfer in each, that can change its branch."""

    head: int = 100
    branch: int = 100
    """Blocks after this one have other hashes."""
    size: int = 10
    broken: AnalysisFailure | None = None
    read: list[tuple[int, int]] = field(default_factory=list)

    def hash(self, number: int) -> str:
        prefix = "f" if number > self.branch else "0"
        return f"0x{prefix}{number:063x}"

    async def pinned(self) -> PinnedBlock:
        return PinnedBlock(self.head, self.hash(self.head), self.head * 12, finalized=True)

    async def token(self, address: str, pinned: PinnedBlock) -> TokenInfo:
        del pinned
        if self.broken is not None:
            raise self.broken
        return TokenInfo(address, "Token", "T", 18, 100, None, 1)

    async def block_hash(self, number: int) -> str | None:
        return self.hash(number) if number <= self.head else None

    async def sync(
        self, address: str, from_block: int, to_block: int
    ) -> AsyncIterator[TransferRange]:
        del address
        for first in range(from_block, to_block + 1, self.size):
            last = min(first + self.size - 1, to_block)
            self.read.append((first, last))
            yield TransferRange(first, last, self.hash(last), self.transfers(first, last))

    def transfers(self, first: int, last: int) -> Transfers:
        return Transfers.of_rows(
            TransferRow(n, 0, self.hash(n), "0x" + "00" * 20, "0x" + "11" * 20, n)
            for n in range(first, last + 1)
        )

    async def balances(self, token: TokenInfo, addresses: Sequence[str], block: int) -> Balances:
        raise NotImplementedError

    async def read_again(
        self, address: str, from_block: int, to_block: int, count: int
    ) -> TransferRange | None:
        raise NotImplementedError

    async def fetch_facts(
        self, token: TokenInfo, pinned: PinnedBlock, required: RequiredFacts
    ) -> ChainFacts:
        return ChainFacts(1, pinned, token, requested=required, calls=1)


@dataclass
class FakeRunner:
    """An analysis that records which blocks it was given."""

    seen: list[list[int]] = field(default_factory=list)
    rounds: int = 2
    """Rounds of facts that it asks for."""
    facts: list[ChainFacts] = field(default_factory=list)

    async def required_facts(self, transfers: MergedTransfers, facts: ChainFacts) -> RequiredFacts:
        del transfers
        number = len(facts.requested.nonces)
        return RequiredFacts(nonces=(str(number),)) if number < self.rounds else RequiredFacts()

    async def contradictions(
        self, transfers: MergedTransfers, facts: ChainFacts, ends: Sequence[int]
    ) -> Contradictions:
        del transfers, facts, ends
        return Contradictions()

    async def analyse(
        self, transfers: MergedTransfers, facts: ChainFacts, computed_at: int
    ) -> AnalysisResult:
        assert isinstance(transfers, Transfers)
        self.facts.append(facts)
        self.seen.append([int(block) for block in transfers.block])
        report = b'{"at":%d,"transfers":%d}' % (computed_at, len(transfers))
        return AnalysisResult(report, b"[]", b"{}", b"{}", b"{}", b"{}", b"{}", 2, 0.5)


@dataclass
class MemorySegments:
    stored: dict[str, Transfers] = field(default_factory=dict)

    async def put(self, chain_id: int, token: str, read: TransferRange) -> str:
        key = f"{chain_id}/{token}/{read.from_block}-{read.to_block}-{read.end_hash[:10]}"
        self.stored[key] = read.transfers
        return key

    async def merged(
        self, chain_id: int, token: str, segments: Sequence[str], until: int
    ) -> Transfers:
        del chain_id, token
        return Transfers.concatenate([self.stored[key] for key in segments]).until(until)


@dataclass
class WorkerHarness:
    """A worker with everything it needs, in memory and in Redis."""

    redis: Redis
    chain: FakeChain = field(default_factory=FakeChain)
    runner: FakeRunner = field(default_factory=FakeRunner)
    table: MemoryTable = field(default_factory=MemoryTable)
    segments: MemorySegments = field(default_factory=MemorySegments)
    store: MemoryEventStore[ComputeEvent] = field(
        default_factory=lambda: MemoryEventStore(Codec(ComputeEvent))
    )
    max_transfers: int = 1_000
    services: Services = field(init=False)
    handler: CommandHandler[Any, Any, Any] = field(init=False)

    async def open(self) -> "WorkerHarness":
        self.services = Services.create(self.redis)
        application = self.services.compose(COMPUTE, compute_settings(), self.store)
        await build_read_models(application)
        self.handler = application.handler
        return self

    @property
    def worker(self) -> Worker:
        """A new worker, as after a restart."""
        return Worker(
            handler=self.handler,
            chains={1: self.chain},
            segments=self.segments,
            columns=self.segments,
            runner=self.runner,
            reports=VersionedStore(self.table),
            cache=RAO(cache_prefix("report"), client=self.redis),
            max_transfers=self.max_transfers,
        )

    async def request(self, name: str = "request") -> None:
        command = RequestAnalysis(chain_id=1, token_address=TOKEN)
        metadata = Metadata(command_id=name, correlation_id=name)
        await self.handler.handle(IncomingCommand.internal(command, metadata))

    async def events(self) -> list[ComputeEvent]:
        return list((await self.store.load(JOB.stream)).events)

    async def event_types(self) -> list[str]:
        return [event.type for event in await self.events()]

    async def state(self) -> Analysis:
        return analyses(frozenset()).fold(await self.events())


@pytest.fixture
async def harness(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> WorkerHarness:
    monkeypatch.setattr(worker_module, "CHECKPOINT_TRANSFERS", 20)
    return await WorkerHarness(redis).open()


async def test_a_request_leads_to_a_report(harness: WorkerHarness) -> None:
    await harness.request()
    await harness.worker.work(JOB)
    assert await harness.event_types() == [
        "AnalysisRequested", "AnalysisStarted", *["RangeSynced"] * 5, "AnalysisCompleted",
    ]  # fmt: skip
    assert harness.runner.seen == [list(range(1, 101))]
    head = await VersionedStore(harness.table).newest(KEY)
    assert head is not None
    body = await VersionedStore(harness.table).body(head, "report")
    cached: Any = await harness.redis.get(f"cluster-report_{KEY}")
    assert Stored.from_bytes(cached) == body


@pytest.mark.parametrize(("rounds", "made"), [(0, 0), (3, 3), (1_000_000, FACT_ROUNDS)])
async def test_facts_are_fetched_in_rounds_until_no_more_are_required(
    rounds: int, made: int, harness: WorkerHarness
) -> None:
    harness.runner.rounds = rounds
    await harness.request()
    await harness.worker.work(JOB)
    (facts,) = harness.runner.facts
    assert facts.requested.nonces == tuple(map(str, range(made)))
    assert facts.calls == 1 + made


async def test_a_run_of_a_token_with_many_runs_decodes_the_newest_commits_only(
    harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = Head(JOB.stream, 0)
    for run in range(1, 301):
        for event in (
            AnalysisRequested(chain_id=1, token_address=TOKEN, requested_at=1, run=run),
            AnalysisFailed(run=run, code="provider_unavailable", detail="No.", failed_at=1),
        ):
            origin = Origin(f"{run} {event.type}", "", "", at=1)
            head = (await harness.store.append(head, [event], origin)).head
    await harness.request()
    decode, decoded = harness.store.codec.decode, [0]

    def counted(*stored: Any) -> Any:
        decoded[0] += 1
        return decode(*stored)

    monkeypatch.setattr(harness.store.codec, "decode", counted)
    await harness.worker.work(JOB)
    of_the_run = decoded[0]
    commands = ["AnalysisStarted", *["RangeSynced"] * 5, "AnalysisCompleted"]
    assert (await harness.event_types())[-7:] == commands
    assert of_the_run <= 102 * (len(commands) + 1)


async def test_a_run_that_another_worker_has_ended_is_left_alone(
    harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.request()
    sync = harness.chain.sync

    async def while_another_worker_starts(*arguments: Any) -> AsyncIterator[TransferRange]:
        monkeypatch.undo()
        monkeypatch.setattr(worker_module, "CHECKPOINT_TRANSFERS", 20)
        harness.chain.broken = AnalysisFailure("provider_unavailable", "No response.")
        await harness.worker.work(JOB)  # fails the run
        async for read in sync(*arguments):
            yield read

    monkeypatch.setattr(harness.chain, "sync", while_another_worker_starts)
    await harness.worker.work(JOB)
    assert isinstance(await harness.state(), Failed)


async def test_a_worker_does_nothing_without_an_active_run(harness: WorkerHarness) -> None:
    await harness.worker.work(JOB)
    assert await harness.event_types() == []
    await harness.request()
    await harness.worker.work(JOB)
    before = await harness.event_types()
    await harness.worker.work(JOB)
    assert await harness.event_types() == before


@pytest.mark.parametrize("step", FAILPOINTS)
@pytest.mark.parametrize("time", [1, 2, 3])
async def test_a_killed_worker_is_resumed(
    step: str, time: int, harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = 0

    def failpoint(name: str) -> None:
        nonlocal passed
        passed += name == step
        if name == step and passed == time:
            raise Killed

    await harness.request()
    monkeypatch.setattr(worker_module, "failpoint", failpoint)
    try:
        await harness.worker.work(JOB)
    except Killed:
        stored = synced_to(await harness.state()) or 0
        harness.chain.read.clear()
        await harness.worker.work(JOB)
        assert all(first > stored for first, _ in harness.chain.read)
    assert (await harness.event_types()).count("AnalysisCompleted") == 1
    assert (await harness.event_types()).count("RangeSynced") == 5
    assert harness.runner.seen[-1] == list(range(1, 101))
    assert len(await VersionedStore(harness.table).history(KEY)) == 1


async def test_a_later_run_reads_only_new_blocks(harness: WorkerHarness) -> None:
    await harness.request()
    await harness.worker.work(JOB)
    harness.chain.read.clear()
    harness.chain.head = harness.chain.branch = 200
    await run_again(harness)
    assert min(first for first, _ in harness.chain.read) == 101
    assert harness.runner.seen[-1] == list(range(1, 201))


async def run_again(harness: WorkerHarness, hours: int = 1) -> None:
    """Request and carry out another run, hours later."""
    harness.services.clock = harness.services.now + hours * 3_600
    await harness.request(f"again-{hours}")
    await harness.worker.work(JOB)


async def test_a_run_without_new_blocks_reads_none(harness: WorkerHarness) -> None:
    await harness.request()
    await harness.worker.work(JOB)
    harness.chain.read.clear()
    await run_again(harness)
    assert harness.chain.read == []
    assert (await harness.event_types()).count("AnalysisCompleted") == 2


async def test_blocks_of_an_abandoned_branch_are_read_again(harness: WorkerHarness) -> None:
    await harness.request()
    await harness.worker.work(JOB)
    harness.chain.read.clear()
    harness.chain.branch = 45  # blocks from 46 on have other hashes now
    await run_again(harness)
    assert "AnalysisRewound" in await harness.event_types()
    assert min(first for first, _ in harness.chain.read) == 41
    checkpoints = checkpoints_of(await harness.state())
    assert checkpoints[-1].block_hash == harness.chain.hash(100)
    assert harness.runner.seen[-1] == list(range(1, 101))


async def test_all_blocks_are_read_again_if_no_checkpoint_is_valid(harness: WorkerHarness) -> None:
    await harness.request()
    await harness.worker.work(JOB)
    harness.chain.branch = 0
    harness.chain.read.clear()
    await run_again(harness)
    assert min(first for first, _ in harness.chain.read) == 1


async def test_a_pinned_block_that_the_chain_has_left_is_replaced(
    harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failpoint(name: str) -> None:
        if name == "before_report":
            raise Killed

    await harness.request()
    monkeypatch.setattr(worker_module, "failpoint", failpoint)
    with pytest.raises(Killed):
        await harness.worker.work(JOB)
    monkeypatch.setattr(worker_module, "failpoint", lambda _name: None)
    harness.chain.branch = 90
    await harness.worker.work(JOB)
    starts = [e for e in await harness.events() if isinstance(e, AnalysisStarted)]
    assert len(starts) == 2
    assert starts[-1].block_hash == harness.chain.hash(100)
    assert isinstance(await harness.state(), Completed)


async def test_blocks_after_a_lower_head_are_left_out(harness: WorkerHarness) -> None:
    await harness.request()
    await harness.worker.work(JOB)
    harness.chain.head = 95  # another endpoint, five blocks behind
    await run_again(harness)
    assert harness.runner.seen[-1][-1] <= 95


@pytest.mark.parametrize("code", ["no_contract", "not_erc20", "provider_unavailable"])
async def test_an_impossible_analysis_fails_with_its_reason(
    code: Any, harness: WorkerHarness
) -> None:
    await harness.request()
    harness.chain.broken = AnalysisFailure(code, "There is no code at this address.")
    await harness.worker.work(JOB)
    state = await harness.state()
    assert isinstance(state, Failed)
    assert (state.code, state.detail) == (code, "There is no code at this address.")


async def test_a_chain_that_is_no_longer_configured_fails_the_job(harness: WorkerHarness) -> None:
    await harness.request()
    await replace(harness.worker, chains={}).work(JOB)
    state = await harness.state()
    assert isinstance(state, Failed)
    assert state.code == "provider_unavailable"


async def test_a_token_with_too_many_transfers_fails_early(harness: WorkerHarness) -> None:
    harness.max_transfers = 30
    await harness.request()
    await harness.worker.work(JOB)
    state = await harness.state()
    assert isinstance(state, Failed)
    assert state.code == "too_large"
    assert len(harness.chain.read) <= 4


@pytest.mark.parametrize("error", [ZeroDivisionError, ValueError, KeyError, MemoryError])
@pytest.mark.parametrize("step", ["analyse", "required_facts"])
async def test_a_computation_that_fails_ends_the_run(
    step: str, error: type[Exception], harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.request()

    async def broken(*_: object) -> Any:
        raise error

    monkeypatch.setattr(harness.runner, step, broken)
    await harness.worker.work(JOB)
    state = await harness.state()
    assert isinstance(state, Failed)
    assert state.code == "not_computable"


async def test_an_error_of_a_dependency_propagates(
    harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.request()

    async def broken(*_: object, **__: object) -> Any:
        raise ConnectionResetError

    monkeypatch.setattr(harness.segments, "merged", broken)
    with pytest.raises(ConnectionResetError):
        await harness.worker.work(JOB)
    assert isinstance(await harness.state(), Running)


async def test_a_run_that_fetches_facts_for_long_records_that_it_continues(
    harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without that a request would start another run next to it."""
    await harness.request()
    fetch, progressed = harness.chain.fetch_facts, asyncio.Event()
    record = Run._record_progress

    async def slow(*arguments: Any) -> ChainFacts:
        if progressed.is_set():
            return await fetch(*arguments)
        harness.services.clock = harness.services.now + STALLED_SECONDS - 1
        await progressed.wait()
        harness.services.clock = harness.services.now + STALLED_SECONDS - 1
        await harness.request("again")
        return await fetch(*arguments)

    async def recorded(run: Run) -> None:
        await record(run)
        if run.step == "facts":
            progressed.set()

    monkeypatch.setattr(harness.chain, "fetch_facts", slow)
    monkeypatch.setattr(Run, "_record_progress", recorded)
    await replace(harness.worker, progress_seconds=0.001).work(JOB)
    events = await harness.events()
    assert any(isinstance(e, AnalysisProgressed) and e.step == "facts" for e in events)
    assert sum(isinstance(e, AnalysisRequested) for e in events) == 1
    assert isinstance(await harness.state(), Completed)


async def test_a_superseded_run_stops_its_work(
    harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.request()
    cancelled = asyncio.Event()

    async def for_ever(*_: object) -> ChainFacts:
        harness.services.clock = harness.services.now + 2 * STALLED_SECONDS
        try:
            await harness.request("again")
            return await asyncio.Future()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    monkeypatch.setattr(harness.chain, "fetch_facts", for_ever)
    await replace(harness.worker, progress_seconds=0.01).work(JOB)
    assert cancelled.is_set()
    state = await harness.state()
    assert isinstance(state, Requested)
    assert state.run == 2


async def test_an_outage_while_progress_is_recorded_keeps_the_work(
    harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.request()
    fetch, failed = harness.chain.fetch_facts, asyncio.Event()
    execute = Run.execute

    async def slow(*arguments: Any) -> ChainFacts:
        await failed.wait()
        return await fetch(*arguments)

    async def unavailable(run: Run, command: Any, **fields: Any) -> None:
        if command is RecordProgress:
            failed.set()
            raise ConnectionResetError
        await execute(run, command, **fields)

    monkeypatch.setattr(harness.chain, "fetch_facts", slow)
    monkeypatch.setattr(Run, "execute", unavailable)
    await replace(harness.worker, progress_seconds=0.01).work(JOB)
    assert isinstance(await harness.state(), Completed)


async def test_transfers_before_the_first_checkpoint_are_read_if_the_token_is_older(
    harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier run may have begun too late, because of a node without old states."""
    token = harness.chain.token

    async def late(*arguments: Any) -> TokenInfo:
        return replace(await token(*arguments), created_block=51)

    async def right(*arguments: Any) -> TokenInfo:
        return replace(await token(*arguments), created_tx="0x" + "1" * 64)

    await harness.request()
    monkeypatch.setattr(harness.chain, "token", late)
    await harness.worker.work(JOB)
    monkeypatch.setattr(harness.chain, "token", right)
    await run_again(harness)
    assert harness.runner.seen == [list(range(51, 101)), list(range(1, 101))]


async def test_a_superseded_worker_does_not_complete_the_run_again(
    harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.request()
    late = harness.worker

    async def superseded(*arguments: Any) -> AnalysisResult:
        monkeypatch.undo()
        await harness.worker.work(JOB)  # another instance ends the run in the meantime
        return await harness.runner.analyse(*arguments)

    monkeypatch.setattr(harness.runner, "analyse", superseded)
    await late.work(JOB)
    assert (await harness.event_types()).count("AnalysisCompleted") == 1
