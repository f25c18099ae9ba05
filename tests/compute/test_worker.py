"""A worker from request to report: resumed at every step, rewound, overtaken, and failing well."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from redis.asyncio import Redis

from chassis.bus.announcements import Announcer
from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import IncomingCommand
from chassis.bus.outcomes import Outcomes
from chassis.decide.repository import Repository, now
from chassis.log.codec import Codec
from chassis.log.memory import MemoryEventStore
from chassis.views.projector import Projector
from chassis.views.rebuild.watch import ReadModelWatcher
from compute import worker as under_test
from compute.domain import Analysis, analyses
from compute.facts import Facts, Pinned, Questions, Token
from compute.ports import Analysed, Fruitless, Read
from compute.projections import ANALYSIS_VIEWS
from compute.transfers import Row, Transfers
from compute.worker import Job, Worker
from contracts.compute import ComputeEvent, RequestAnalysis, report_key, reports_cache
from contracts.messages import Metadata
from readthrough import RAO, MemoryTable, Stored, VersionedStore
from tests.compute.worlds import TOKEN

JOB = Job(1, TOKEN, "correlation")
PK = report_key(1, TOKEN)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@dataclass(frozen=True)
class Range:
    from_block: int
    to_block: int
    end_hash: str
    transfers: Transfers


@dataclass
class Blocks:
    """A chain of numbered blocks, one transfer in each, that can change its branch."""

    head: int = 100
    branch: int = 100
    """Blocks after this have other hashes."""
    size: int = 10
    broken: Fruitless | None = None
    read: list[tuple[int, int]] = field(default_factory=list)

    def hash(self, number: int) -> str:
        turned = "f" if number > self.branch else "0"
        return f"0x{turned}{number:063x}"

    async def pinned(self) -> Pinned:
        return Pinned(self.head, self.hash(self.head), self.head * 12, finalized=True)

    async def token(self, address: str, pinned: Pinned) -> Token:
        del pinned
        if self.broken is not None:
            raise self.broken
        return Token(address, "Token", "T", 18, 100, None, 1)

    async def block_hash(self, number: int) -> str | None:
        return self.hash(number) if number <= self.head else None

    async def sync(self, address: str, from_block: int, to_block: int) -> AsyncIterator[Read]:
        del address
        for first in range(from_block, to_block + 1, self.size):
            last = min(first + self.size - 1, to_block)
            self.read.append((first, last))
            yield Range(first, last, self.hash(last), self.transfers(first, last))

    def transfers(self, first: int, last: int) -> Transfers:
        return Transfers.of_rows(
            Row(n, 0, self.hash(n), "0x" + "00" * 20, "0x" + "11" * 20, n)
            for n in range(first, last + 1)
        )

    async def answer(self, token: Token, pinned: Pinned, questions: Questions) -> Facts:
        del questions
        return Facts(1, pinned, token)


@dataclass
class Counting:
    """An analysis that tells which transfers it was given."""

    seen: list[list[int]] = field(default_factory=list)

    async def questions(self, chain_id: int, transfers: Transfers, token: Token) -> Questions:
        del chain_id, transfers, token
        return Questions()

    async def analyse(self, transfers: Transfers, facts: Facts, computed_at: int) -> Analysed:
        del facts
        self.seen.append([int(block) for block in transfers.block])
        report = b'{"at":%d,"transfers":%d}' % (computed_at, len(transfers))
        return Analysed(report, b"[]", b"{}", b"{}", 2, 0.5)


@dataclass
class Kept:
    """Segments in memory."""

    kept: dict[str, Transfers] = field(default_factory=dict)

    async def put(self, chain_id: int, token: str, read: Read) -> str:
        key = f"{chain_id}/{token}/{read.from_block}-{read.to_block}-{read.end_hash[:10]}"
        self.kept[key] = read.transfers
        return key

    async def get(self, key: str) -> Transfers:
        return self.kept[key]


class Nobody:
    """Nobody listens to these events."""

    async def publish(self, *_: Any, **__: Any) -> None:
        raise AssertionError("nothing is announced here")


@dataclass
class Workshop:
    redis: Redis
    chain: Blocks = field(default_factory=Blocks)
    analyst: Counting = field(default_factory=Counting)
    table: MemoryTable = field(default_factory=MemoryTable)
    segments: Kept = field(default_factory=Kept)
    store: MemoryEventStore[ComputeEvent] = field(
        default_factory=lambda: MemoryEventStore(Codec(ComputeEvent))
    )
    handler: Any = None
    most: int = 1_000

    async def open(self) -> "Workshop":
        projector = Projector(self.redis, self.store, "compute", (ANALYSIS_VIEWS,))
        watcher = ReadModelWatcher(projector)
        if await watcher.unserved():
            await watcher.rebuild_needed()
        self.handler = CommandHandler(
            Repository(self.store, analyses(frozenset({1}))),
            projector,
            Announcer(Nobody(), {}),
            Outcomes(self.redis),
        )
        return self

    @property
    def worker(self) -> Worker:
        """A new one, as after a restart."""
        cache = RAO(reports_cache("report"), client=self.redis)
        return Worker(
            self.store, self.handler, {1: self.chain}, self.segments, self.analyst,
            VersionedStore(self.table), cache, self.most,
        )  # fmt: skip

    async def request(self, name: str = "request") -> None:
        command = RequestAnalysis(chain_id=1, token_address=TOKEN)
        metadata = Metadata(command_id=name, correlation_id=name)
        await self.handler.handle(
            IncomingCommand(command, metadata, command.body_hash, redelivered=False)
        )

    async def events(self) -> list[ComputeEvent]:
        return list((await self.store.load(JOB.stream)).events)

    async def told(self) -> list[str]:
        return [event.type for event in await self.events()]

    async def state(self) -> Analysis:
        return analyses(frozenset()).fold(await self.events())


@pytest.fixture
async def workshop(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setattr(under_test, "CHECKPOINT_TRANSFERS", 20)
    return await Workshop(redis).open()


async def test_from_request_to_report(workshop: Workshop) -> None:
    await workshop.request()
    await workshop.worker.work(JOB)
    assert await workshop.told() == [
        "AnalysisRequested", "AnalysisStarted", *["RangeSynced"] * 5, "AnalysisCompleted",
    ]  # fmt: skip
    assert workshop.analyst.seen == [list(range(1, 101))]
    head = await VersionedStore(workshop.table).newest(PK)
    assert head is not None
    body = await VersionedStore(workshop.table).body(head, "report")
    cached: Any = await workshop.redis.get(f"cluster-report_{PK}")
    assert Stored.from_bytes(cached) == body


async def test_there_is_nothing_to_do_without_a_request(workshop: Workshop) -> None:
    await workshop.worker.work(JOB)
    await workshop.request()
    await workshop.worker.work(JOB)
    before = await workshop.told()
    await workshop.worker.work(JOB)
    assert await workshop.told() == before


@pytest.mark.parametrize("step", under_test.ROAD)
@pytest.mark.parametrize("time", [1, 2, 3])
async def test_a_worker_that_is_killed_is_gone_on_with(
    step: str, time: int, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = 0

    def failpoint(name: str) -> None:
        nonlocal passed
        passed += name == step
        if name == step and passed == time:
            raise Killed

    await workshop.request()
    monkeypatch.setattr(under_test, "failpoint", failpoint)
    try:
        await workshop.worker.work(JOB)
    except Killed:
        kept = (await workshop.state()).synced_to or 0
        workshop.chain.read.clear()
        await workshop.worker.work(JOB)
        assert all(first > kept for first, _ in workshop.chain.read)
    assert (await workshop.told()).count("AnalysisCompleted") == 1
    assert (await workshop.told()).count("RangeSynced") == 5
    assert workshop.analyst.seen[-1] == list(range(1, 101))
    assert len(await VersionedStore(workshop.table).history(PK)) == 1


async def test_a_later_run_reads_only_new_blocks(workshop: Workshop) -> None:
    await workshop.request()
    await workshop.worker.work(JOB)
    workshop.chain.read.clear()
    workshop.chain.head = workshop.chain.branch = 200
    await again(workshop)
    assert min(first for first, _ in workshop.chain.read) == 101
    assert workshop.analyst.seen[-1] == list(range(1, 201))


async def again(workshop: Workshop, hours: int = 1) -> None:
    """Another run, however short ago the last one was."""
    repository = workshop.handler.repository
    at = now().at_ms + hours * 3_600_000
    later = replace(repository, moment=lambda: replace(now(), at_ms=at))
    workshop.handler = replace(workshop.handler, repository=later)
    await workshop.request(f"again-{hours}")
    await workshop.worker.work(JOB)


async def test_a_run_without_new_blocks_reads_none(workshop: Workshop) -> None:
    await workshop.request()
    await workshop.worker.work(JOB)
    workshop.chain.read.clear()
    await again(workshop)
    assert workshop.chain.read == []
    assert (await workshop.told()).count("AnalysisCompleted") == 2


async def test_a_branch_that_the_chain_has_left_is_read_anew(workshop: Workshop) -> None:
    await workshop.request()
    await workshop.worker.work(JOB)
    workshop.chain.read.clear()
    workshop.chain.branch = 45  # blocks from 46 on are others now
    await again(workshop)
    assert "AnalysisRewound" in await workshop.told()
    assert min(first for first, _ in workshop.chain.read) == 41
    state = await workshop.state()
    assert state.checkpoints[-1].block_hash == workshop.chain.hash(100)
    assert workshop.analyst.seen[-1] == list(range(1, 101))


async def test_a_branch_older_than_all_checkpoints_begins_anew(workshop: Workshop) -> None:
    await workshop.request()
    await workshop.worker.work(JOB)
    workshop.chain.branch = 0
    workshop.chain.read.clear()
    await again(workshop)
    assert min(first for first, _ in workshop.chain.read) == 1


async def test_a_pinned_block_that_is_left_is_replaced(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failpoint(name: str) -> None:
        if name == "before_report":
            raise Killed

    await workshop.request()
    monkeypatch.setattr(under_test, "failpoint", failpoint)
    with pytest.raises(Killed):
        await workshop.worker.work(JOB)
    monkeypatch.setattr(under_test, "failpoint", lambda _name: None)
    workshop.chain.branch = 90
    await workshop.worker.work(JOB)
    state = await workshop.state()
    assert state.pin is not None
    assert state.pin.block_hash == workshop.chain.hash(100)
    assert (await workshop.told()).count("AnalysisStarted") == 2
    assert state.course == "completed"


async def test_a_head_behind_the_checkpoints_is_analysed_as_it_is(workshop: Workshop) -> None:
    await workshop.request()
    await workshop.worker.work(JOB)
    workshop.chain.head = 95  # another endpoint, five blocks behind
    await again(workshop)
    assert workshop.analyst.seen[-1][-1] <= 95


@pytest.mark.parametrize("code", ["no_contract", "not_erc20", "provider_unavailable"])
async def test_what_cannot_be_analysed_fails_with_its_reason(code: Any, workshop: Workshop) -> None:
    await workshop.request()
    workshop.chain.broken = Fruitless(code, "there is no code at this address")
    await workshop.worker.work(JOB)
    state = await workshop.state()
    assert state.failure is not None
    assert (state.failure.code, state.failure.detail) == (code, "there is no code at this address")


async def test_a_chain_that_is_not_configured_any_more_fails_the_job(workshop: Workshop) -> None:
    await workshop.request()
    await replace(workshop.worker, chains={}).work(JOB)
    state = await workshop.state()
    assert state.failure is not None
    assert state.failure.code == "provider_unavailable"


async def test_a_token_with_too_many_transfers_is_refused_early(workshop: Workshop) -> None:
    workshop.most = 30
    await workshop.request()
    await workshop.worker.work(JOB)
    state = await workshop.state()
    assert state.failure is not None
    assert state.failure.code == "too_large"
    assert len(workshop.chain.read) <= 4


async def test_a_surprise_is_not_swallowed(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await workshop.request()

    async def broken(*_: object) -> Analysed:
        raise ZeroDivisionError

    monkeypatch.setattr(workshop.analyst, "analyse", broken)
    with pytest.raises(ZeroDivisionError):
        await workshop.worker.work(JOB)
    assert (await workshop.state()).running


async def test_a_worker_that_was_thought_lost_writes_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await workshop.request()
    late = workshop.worker

    async def overtaken(*arguments: Any) -> Analysed:
        monkeypatch.undo()
        await workshop.worker.work(JOB)  # another instance ends the run meanwhile
        return await workshop.analyst.analyse(*arguments)

    monkeypatch.setattr(workshop.analyst, "analyse", overtaken)
    await late.work(JOB)
    assert (await workshop.told()).count("AnalysisCompleted") == 1
