"""Run an analysis from its request to its result; resume where an earlier worker stopped.

The stream is the only record of progress: each range that was read is a checkpoint, and every step
skips what is already stored. A worker that is killed loses the range that it was reading and
nothing else. The stream is loaded once per run, and again only after another worker wrote to it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from chassis.resilience.failpoint import failpoint
from chassis.resilience.refusals import Unavailable
from compute.chain_facts import PinnedBlock, TokenInfo
from compute.failures import computing
from compute.gathering import Gathering
from compute.ports import (
    AnalysisFailure,
    AnalysisResult,
    AnalysisRunner,
    Chain,
    SegmentStore,
    TransferColumns,
)
from compute.run import Handler, Job, Run, RunSuperseded
from compute.state import Running, checkpoints_of, synced_to
from compute.transfers import TransferRange
from contracts.compute import (
    CompleteAnalysis,
    FailAnalysis,
    RecordRange,
    RewindAnalysis,
    StartAnalysis,
    report_key,
)
from readthrough import RAO, Stored, UnknownTable, VersionedStore

FAILPOINTS: Final = (
    "before_start", "before_segment", "after_segment", "after_range", "before_report",
    "after_report",
)  # fmt: skip
"""Where tests kill a worker: between every two steps of an analysis, in order."""
CHECKPOINT_TRANSFERS: Final = 50_000
CHECKPOINT_SECONDS: Final = 5.0
"""A range is stored once it has this many transfers, or took this long to read."""
DETAIL_CHARACTERS: Final = 500
PROGRESS_SECONDS: Final = 300.0
"""A sixth of the time after which a run without an event counts as lost."""

log = structlog.get_logger(__name__)


class ReportsUnavailable(Unavailable):
    """The table of reports does not exist, as while it is restored."""

    part = "table of reports"


@dataclass(frozen=True, slots=True)
class Worker:
    """Carry out analyses, one job at a time per token."""

    handler: Handler
    chains: Mapping[int, Chain]
    """By chain id."""
    segments: SegmentStore
    columns: TransferColumns
    runner: AnalysisRunner
    reports: VersionedStore
    cache: RAO
    """Caches reports in Redis, where the gateway looks first."""
    max_transfers: int
    """Transfers of one token above which the analysis fails as `too_large`."""
    clock: Callable[[], float] = time.monotonic
    progress_seconds: float = PROGRESS_SECONDS
    """Time after which a run records that it continues."""

    async def work(self, job: Job) -> None:
        """Complete the active run; do nothing if no run is active."""
        run = await Run.load(job, self.handler)
        if run is None:
            return
        try:
            await self._complete_or_fail(run)
        except RunSuperseded as error:
            log.info("analysis_superseded", stream=job.stream, reason=str(error))

    async def _complete_or_fail(self, run: Run) -> None:
        try:
            work = self._analyse(run, self._chain(run.job))
            await run.with_progress(work, self.progress_seconds)
        except AnalysisFailure as failure:
            code, detail = failure.code, failure.detail
            log.warning("analysis_failed", stream=run.job.stream, code=code, reason=detail)
            await run.execute(FailAnalysis, code=code, detail=detail[:DETAIL_CHARACTERS])

    def _chain(self, job: Job) -> Chain:
        if (chain := self.chains.get(job.chain_id)) is None:  # it was configured at the request
            raise AnalysisFailure(
                "provider_unavailable", "No endpoint of this chain is configured any more."
            )
        return chain

    async def _analyse(self, run: Run, chain: Chain) -> None:
        pinned, token = await self._pin(run, chain)
        await self._rewind(run, chain, token)
        run.step = "transfers"
        await self._sync(run, chain, token, pinned)
        if not isinstance(run.analysis, Running) or run.analysis.run != run.number:
            raise RunSuperseded("a later run has started")
        computed_at = run.analysis.started_at
        run.step = "facts"
        transfers, facts = await Gathering(
            run, chain, token, pinned, self.segments, self.columns, self.runner
        ).gathered()
        run.step = "analysis"
        with computing(run.job.stream):
            result = await self.runner.analyse(transfers, facts, computed_at)
        failpoint("before_report")
        await self._store_result(run.job, result, computed_at)
        failpoint("after_report")
        await run.execute(
            CompleteAnalysis,
            num_clusters=result.num_clusters,
            largest_share=result.largest_share,
        )

    async def _pin(self, run: Run, chain: Chain) -> tuple[PinnedBlock, TokenInfo]:
        """Return the run's block: the one an earlier worker chose, if the chain still has it."""
        failpoint("before_start")
        address = run.job.token_address
        if isinstance(run.analysis, Running):
            pinned = run.analysis.pinned
            if await chain.block_hash(pinned.number) == pinned.hash:
                return pinned, await chain.token(address, pinned)
        pinned = await chain.pinned()
        token = await chain.token(address, pinned)
        await run.execute(
            StartAnalysis,
            from_block=token.created_block,
            block=pinned.number,
            block_hash=pinned.hash,
            block_timestamp=pinned.timestamp,
            finalized=pinned.finalized,
        )
        return pinned, token

    async def _rewind(self, run: Run, chain: Chain, token: TokenInfo) -> None:
        """Drop the checkpoints of a branch that the chain has left, or that begin too late."""
        checkpoints = checkpoints_of(run.analysis)
        if token.created_tx and checkpoints and token.created_block < checkpoints[0].from_block:
            log.warning("earlier_transfers_missing", stream=run.job.stream)
            await run.execute(RewindAnalysis, to_block=-1)
            return
        last_valid = -1
        for checkpoint in reversed(checkpoints):
            if not checkpoint.block_hash:
                break
            if await chain.block_hash(checkpoint.to_block) == checkpoint.block_hash:
                last_valid = checkpoint.to_block
                break
        if checkpoints and last_valid != checkpoints[-1].to_block:
            log.warning("chain_reorganised", stream=run.job.stream, last_valid_block=last_valid)
            await run.execute(RewindAnalysis, to_block=last_valid)

    async def _sync(self, run: Run, chain: Chain, token: TokenInfo, pinned: PinnedBlock) -> None:
        """Read and store the blocks between the last checkpoint and the pinned block."""
        last = synced_to(run.analysis)
        first = token.created_block if last is None else last + 1
        if first > pinned.number:
            return
        total = sum(checkpoint.count for checkpoint in checkpoints_of(run.analysis))
        started, unsaved = self.clock(), list[TransferRange]()
        async for read in chain.sync(token.address, first, pinned.number):
            unsaved.append(read)
            total += len(read.transfers)
            self._require_size(total)
            if self._is_due(unsaved, started):
                await self._record(run, unsaved)
                started, unsaved = self.clock(), []
        if unsaved:
            await self._record(run, unsaved)

    def _require_size(self, transfers: int) -> None:
        if transfers > self.max_transfers:
            raise AnalysisFailure(
                "too_large",
                f"This token has more than {self.max_transfers} transfers, the most that can be "
                "analysed here.",
            )

    def _is_due(self, unsaved: Sequence[TransferRange], started: float) -> bool:
        count = sum(len(read.transfers) for read in unsaved)
        return count >= CHECKPOINT_TRANSFERS or self.clock() - started >= CHECKPOINT_SECONDS

    async def _record(self, run: Run, unsaved: Sequence[TransferRange]) -> None:
        read = TransferRange.concatenate(unsaved)
        failpoint("before_segment")
        key = await self.segments.put(run.job.chain_id, run.job.token_address, read)
        failpoint("after_segment")
        await run.execute(
            RecordRange,
            from_block=read.from_block,
            to_block=read.to_block,
            block_hash=read.end_hash,
            count=len(read.transfers),
            segment=key,
        )
        failpoint("after_range")

    async def _store_result(self, job: Job, result: AnalysisResult, computed_at: int) -> None:
        """Store the result in the table before the cache, which may lose it."""
        key = report_key(job.chain_id, job.token_address)
        try:
            await self.reports.put(key, computed_at, result.summary, result.bodies())
        except UnknownTable as error:
            raise ReportsUnavailable(str(error)) from error
        await self.cache.store_bytes(key, Stored(result.report, computed_at).to_bytes())
