"""Works on one analysis from its request to its end, from wherever an earlier worker got to.

The log says what is done: ranges are checkpoints, and every step finds what stands already. A
worker that is killed loses the range that it was reading and nothing else.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import IncomingCommand
from chassis.log.event_store import EventStore
from chassis.resilience.failpoint import failpoint
from compute.domain import Analysis, Checkpoint, Pin, evolve
from compute.facts import Pinned, Token
from compute.ports import Analysed, Analyst, Chain, Fruitless, Read, Segments
from compute.transfers import Transfers
from contracts.compute import (
    GRAPH,
    HOLDERS,
    REPORT,
    CompleteAnalysis,
    ComputeCommand,
    ComputeEvent,
    FailAnalysis,
    RecordRange,
    RewindAnalysis,
    StartAnalysis,
    analysis_stream,
    report_key,
)
from contracts.messages import Metadata
from readthrough import RAO, Stored, VersionedStore

ROAD: Final = (
    "before_start", "before_segment", "after_segment", "after_range", "before_report",
    "after_report",
)  # fmt: skip
"""The places between every two steps of an analysis, in their order."""
CHECKPOINT_TRANSFERS: Final = 50_000
CHECKPOINT_SECONDS: Final = 5.0
"""A range is kept when it has so many transfers, or took so long to read."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker has been asked for."""

    chain_id: int
    token_address: str
    correlation_id: str

    @property
    def stream(self) -> str:
        return analysis_stream(self.chain_id, self.token_address)

    def wish(self, command: Callable[..., ComputeCommand], **members: Any) -> ComputeCommand:
        return command(chain_id=self.chain_id, token_address=self.token_address, **members)


@dataclass(frozen=True, slots=True)
class Worker:
    store: EventStore[ComputeEvent]
    handler: CommandHandler[Analysis, ComputeCommand, ComputeEvent]
    chains: Mapping[int, Chain]
    segments: Segments
    analyst: Analyst
    shelf: VersionedStore
    cache: RAO
    """Of reports, where the gateway looks first."""
    max_transfers: int
    clock: Callable[[], float] = time.monotonic

    async def work(self, job: Job) -> None:
        """Bring the run that is under way to its end; nothing to do if none is."""
        state = await self._state(job)
        if not state.running:
            return
        try:
            await self._run(job, self._chain(job), state.run)
        except Overtaken as why:
            log.info("analysis_overtaken", stream=job.stream, because=str(why))
        except Fruitless as why:
            log.warning("analysis_failed", stream=job.stream, code=why.code, because=why.detail)
            await self._do(job, FailAnalysis, run=state.run, code=why.code, detail=why.detail[:500])

    def _chain(self, job: Job) -> Chain:
        if (chain := self.chains.get(job.chain_id)) is None:  # it was when this was requested
            raise Fruitless("provider_unavailable", "no endpoint of this chain is configured")
        return chain

    async def _run(self, job: Job, chain: Chain, run: int) -> None:
        pinned, token = await self._pin(job, chain, run)
        await self._rewind(job, chain, run)
        await self._sync(job, chain, run, token, pinned)
        state = await self._state(job)
        if state.run != run or state.pin is None:  # a later worker is on it
            return
        transfers = (await self._transfers(state.checkpoints)).until(pinned.number)
        questions = await self.analyst.questions(job.chain_id, transfers, token)
        facts = await chain.answer(token, pinned, questions)
        analysed = await self.analyst.analyse(transfers, facts, state.pin.started_at)
        failpoint("before_report")
        await self._keep(job, analysed, state.pin.started_at)
        failpoint("after_report")
        await self._do(
            job,
            CompleteAnalysis,
            run=run,
            num_clusters=analysed.num_clusters,
            largest_share=analysed.largest_share,
        )

    async def _pin(self, job: Job, chain: Chain, run: int) -> tuple[Pinned, Token]:
        """The block of this run: what an earlier worker chose, if the chain still has it."""
        failpoint("before_start")
        pin = (await self._state(job)).pin
        if pin is not None and await chain.block_hash(pin.block) == pin.block_hash:
            pinned = _pinned(pin)
            return pinned, await chain.token(job.token_address, pinned)
        pinned = await chain.pinned()
        token = await chain.token(job.token_address, pinned)
        await self._do(
            job,
            StartAnalysis,
            run=run,
            from_block=token.created_block,
            block=pinned.number,
            block_hash=pinned.hash,
            block_timestamp=pinned.timestamp,
            finalized=pinned.finalized,
        )
        return pinned, token

    async def _rewind(self, job: Job, chain: Chain, run: int) -> None:
        """Back to the last checkpoint that the chain still has, if it has left a branch."""
        checkpoints = (await self._state(job)).checkpoints
        standing = -1
        for checkpoint in reversed(checkpoints):
            if await chain.block_hash(checkpoint.to_block) == checkpoint.block_hash:
                standing = checkpoint.to_block
                break
        if checkpoints and standing != checkpoints[-1].to_block:
            log.warning("chain_reorganised", stream=job.stream, standing=standing)
            await self._do(job, RewindAnalysis, run=run, to_block=standing)

    async def _sync(self, job: Job, chain: Chain, run: int, token: Token, pinned: Pinned) -> None:
        state = await self._state(job)
        first = token.created_block if state.synced_to is None else state.synced_to + 1
        total = sum(checkpoint.count for checkpoint in state.checkpoints)
        if first > pinned.number:
            return
        begun, gathered = self.clock(), list[Read]()
        async for read in chain.sync(token.address, first, pinned.number):
            gathered.append(read)
            total += len(read.transfers)
            if total > self.max_transfers:
                raise Fruitless(
                    "too_large",
                    f"this token has more than {self.max_transfers} transfers, which is the most "
                    "that is analysed here",
                )
            if self._is_enough(gathered, begun):
                await self._record(job, run, gathered)
                begun, gathered = self.clock(), []
        if gathered:
            await self._record(job, run, gathered)

    def _is_enough(self, gathered: Sequence[Read], begun: float) -> bool:
        count = sum(len(read.transfers) for read in gathered)
        return count >= CHECKPOINT_TRANSFERS or self.clock() - begun >= CHECKPOINT_SECONDS

    async def _record(self, job: Job, run: int, gathered: Sequence[Read]) -> None:
        read = Gathered.of(gathered)
        failpoint("before_segment")
        key = await self.segments.put(job.chain_id, job.token_address, read)
        failpoint("after_segment")
        await self._do(
            job,
            RecordRange,
            run=run,
            from_block=read.from_block,
            to_block=read.to_block,
            block_hash=read.end_hash,
            count=len(read.transfers),
            segment=key,
        )
        failpoint("after_range")

    async def _transfers(self, checkpoints: Sequence[Checkpoint]) -> Transfers:
        kept = [await self.segments.get(each.segment) for each in checkpoints if each.count]
        return Transfers.joined(kept)

    async def _keep(self, job: Job, analysed: Analysed, computed_at: int) -> None:
        """The table first: what is in the cache alone could vanish."""
        pk = report_key(job.chain_id, job.token_address)
        bodies = {REPORT: analysed.report, HOLDERS: analysed.holders, GRAPH: analysed.graph}
        await self.shelf.put(pk, computed_at, analysed.summary, bodies)
        await self.cache.store_bytes(pk, Stored(analysed.report, computed_at).to_bytes())

    async def _state(self, job: Job) -> Analysis:
        state = Analysis()
        for event in (await self.store.load(job.stream)).events:
            state = evolve(state, event)
        return state

    async def _do(self, job: Job, command: Callable[..., ComputeCommand], **members: Any) -> None:
        """Carry out a command under a fresh id: the stream tells what was done."""
        wish = job.wish(command, **members)
        metadata = Metadata(
            command_id=str(uuid.uuid4()), correlation_id=job.correlation_id, actor="compute"
        )
        outcome = await self.handler.handle(
            IncomingCommand(wish, metadata, wish.body_hash, redelivered=False)
        )
        if outcome.rejection is not None:
            raise Overtaken(outcome.rejection.detail)


class Overtaken(Exception):
    """Another worker has gone on with this run, or ended it."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Ranges that follow each other, as one."""

    from_block: int
    to_block: int
    end_hash: str
    transfers: Transfers

    @classmethod
    def of(cls, reads: Sequence[Read]) -> "Gathered":
        transfers = Transfers.joined([read.transfers for read in reads])
        return cls(reads[0].from_block, reads[-1].to_block, reads[-1].end_hash, transfers)


def _pinned(pin: Pin) -> Pinned:
    return Pinned(pin.block, pin.block_hash, pin.timestamp, pin.finalized)
