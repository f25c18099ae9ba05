"""Gather what a run analyses: the merged transfers, and facts that agree with them.

Some endpoints leave logs out of a long answer without an error. Then balances contradict the
transfers; the ranges of blocks that do not explain them are read again, once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from compute.chain_facts import (
    TRANSFERS_INCOMPLETE,
    ChainFacts,
    PinnedBlock,
    RequiredFacts,
    TokenInfo,
)
from compute.contradictions import Balances, Contradictions, doubtful_ranges
from compute.failures import computing
from compute.ports import (
    AnalysisRunner,
    Chain,
    MergedTransfers,
    SegmentStore,
    TransferColumns,
)
from compute.run import Run
from compute.state import Checkpoint, checkpoints_of
from compute.transfers import TransferRange
from contracts.compute import RecordRange, RewindAnalysis

FACT_ROUNDS: Final = 12
"""Rounds of fetching facts, at most: what one round finds decides what the next asks for."""
TRIALS: Final = 3
"""Doubtful ranges that are read again first. If none of them had too few transfers, the token
changes balances without a log, and the other ranges are left as they are."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gathering:
    """Gather the transfers and the facts of one run."""

    run: Run
    chain: Chain
    token: TokenInfo
    pinned: PinnedBlock
    segments: SegmentStore
    columns: TransferColumns
    runner: AnalysisRunner

    async def gathered(self) -> tuple[MergedTransfers, ChainFacts]:
        """Return all transfers up to the pinned block, and the facts that the analysis requires."""
        transfers = await self._transfers()
        facts = await self.chain.fetch_facts(self.token, self.pinned, RequiredFacts())
        facts = await self._facts(transfers, facts, 1)  # balances are among the first
        if await self._repaired(transfers, facts):
            transfers = await self._transfers()
            if await self._contradictions(transfers, facts, [self.pinned.number]):
                facts = replace(facts, warnings=(*facts.warnings, TRANSFERS_INCOMPLETE))
        return transfers, await self._facts(transfers, facts, FACT_ROUNDS - 1)

    async def _transfers(self) -> MergedTransfers:
        job, checkpoints = self.run.job, checkpoints_of(self.run.analysis)
        segments = [each.segment for each in checkpoints if each.count]
        return await self.columns.merged(
            job.chain_id, job.token_address, segments, until=self.pinned.number
        )

    async def _facts(
        self, transfers: MergedTransfers, facts: ChainFacts, rounds: int
    ) -> ChainFacts:
        """Fetch facts in rounds until the analysis requires no more."""
        for _ in range(rounds):
            with computing(self.run.job.stream):
                required = await self.runner.required_facts(transfers, facts)
            if not required:
                break
            facts = facts.merged(await self.chain.fetch_facts(self.token, self.pinned, required))
        return facts

    async def _contradictions(
        self, transfers: MergedTransfers, facts: ChainFacts, ends: Sequence[int]
    ) -> Contradictions:
        with computing(self.run.job.stream):
            return await self.runner.contradictions(transfers, facts, ends)

    async def _repaired(self, transfers: MergedTransfers, facts: ChainFacts) -> bool:
        """Read doubtful ranges again; return whether some had too few transfers."""
        checkpoints = checkpoints_of(self.run.analysis)
        if not checkpoints:
            return False
        inner = [each.to_block for each in checkpoints if each.to_block < self.pinned.number]
        ends = [*inner, self.pinned.number][: len(checkpoints)]
        found = await self._contradictions(transfers, facts, ends)
        if not found:
            return False
        reported = [*await self._reported(found, ends[:-1]), facts.balances]
        doubtful = doubtful_ranges(found, reported)
        located = len(ends) == 1 or bool(reported[-2])
        order = sorted(doubtful, key=lambda n: checkpoints[n].count, reverse=not located)
        log.warning("balances_contradict_transfers", stream=self.run.job.stream, ranges=len(order))
        complete = await self._read_again([checkpoints[n] for n in order[:TRIALS]])
        if complete:
            complete |= await self._read_again([checkpoints[n] for n in order[TRIALS:]])
            await self._replace(checkpoints, complete)
        return bool(complete)

    async def _reported(self, found: Contradictions, ends: Sequence[int]) -> list[Balances]:
        """Return the balances at the end of each range, as far back as states are kept."""
        reported: list[Balances] = []
        for block in reversed(ends):
            balances = await self.chain.balances(self.token, found.addresses, block)
            if not balances:
                break
            reported.insert(0, balances)
        return [*[{}] * (len(ends) - len(reported)), *reported]

    async def _read_again(self, ranges: Sequence[Checkpoint]) -> dict[Checkpoint, TransferRange]:
        """Return those ranges that have more transfers than are stored."""
        complete = {}
        for each in ranges:
            read = await self.chain.read_again(
                self.token.address, each.from_block, each.to_block, each.count
            )
            if read is not None and each.block_hash in ("", read.end_hash):
                complete[each] = read
        return complete

    async def _replace(
        self, checkpoints: Sequence[Checkpoint], complete: dict[Checkpoint, TransferRange]
    ) -> None:
        """Record the complete ranges instead of the earlier ones, and again those after them."""
        first = min(each.from_block for each in complete)
        await self.run.execute(RewindAnalysis, to_block=first - 1)
        for each in checkpoints:
            if each.from_block >= first:
                await self._record(each, complete.get(each))

    async def _record(self, checkpoint: Checkpoint, read: TransferRange | None) -> None:
        job, count, segment = self.run.job, checkpoint.count, checkpoint.segment
        end_hash: str | None = checkpoint.block_hash
        if read is not None:
            segment = await self.segments.put(job.chain_id, job.token_address, read)
            count, end_hash = len(read.transfers), read.end_hash
        await self.run.execute(
            RecordRange,
            from_block=checkpoint.from_block,
            to_block=checkpoint.to_block,
            block_hash=end_hash or await self.chain.block_hash(checkpoint.to_block),
            count=count,
            segment=segment,
        )
