"""Represent the analyses of one token as the phase of its latest run."""

from dataclasses import dataclass, replace
from typing import assert_never

from compute.chain_facts import PinnedBlock
from contracts.compute import (
    AnalysisCompleted,
    AnalysisFailed,
    AnalysisRequested,
    AnalysisRewound,
    AnalysisStarted,
    ComputeEvent,
    FailureCode,
    RangeSynced,
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Describe a stored range of transfers; `block_hash` identifies its last block's branch."""

    from_block: int
    to_block: int
    block_hash: str
    count: int
    """Transfers in the range."""
    segment: str
    """Key of the stored segment."""


Checkpoints = tuple[Checkpoint, ...]
"""Consecutive ranges; they outlive runs, so that a run reads only new blocks."""


@dataclass(frozen=True, slots=True)
class NotRequested:
    """Represent a token that was never analysed."""


@dataclass(frozen=True, slots=True)
class Requested:
    """Represent a run that waits for a worker."""

    run: int
    updated_at: int
    """UNIX seconds of the last event."""
    checkpoints: Checkpoints


@dataclass(frozen=True, slots=True)
class Running:
    """Represent a run whose block is chosen and whose transfers are being read."""

    run: int
    updated_at: int
    """UNIX seconds of the last event."""
    checkpoints: Checkpoints
    pinned: PinnedBlock
    started_at: int
    """UNIX seconds."""


@dataclass(frozen=True, slots=True)
class Completed:
    """Represent a run whose report is stored."""

    run: int
    completed_at: int
    """UNIX seconds."""
    checkpoints: Checkpoints


@dataclass(frozen=True, slots=True)
class Failed:
    """Represent a run that ended without a report."""

    run: int
    failed_at: int
    """UNIX seconds."""
    checkpoints: Checkpoints
    code: FailureCode
    detail: str


Analysis = NotRequested | Requested | Running | Completed | Failed
"""The analyses of one token: the phase of its latest run."""
ActiveRun = Requested | Running


def checkpoints_of(analysis: Analysis) -> Checkpoints:
    """Return the ranges that are stored, oldest first."""
    match analysis:
        case NotRequested():
            return ()
        case Requested() | Running() | Completed() | Failed():
            return analysis.checkpoints
        case _:
            assert_never(analysis)


def synced_to(analysis: Analysis) -> int | None:
    """Return the last block whose transfers are stored; None if no range is."""
    checkpoints = checkpoints_of(analysis)
    return checkpoints[-1].to_block if checkpoints else None


def evolve(analysis: Analysis, event: ComputeEvent) -> Analysis:
    """Apply an event to the state."""
    checkpoints = checkpoints_of(analysis)
    match event:
        case AnalysisRequested():
            return Requested(event.run, event.requested_at, checkpoints)
        case AnalysisStarted():
            return Running(
                event.run, event.started_at, checkpoints, _pinned(event), event.started_at
            )
        case RangeSynced():
            return _checkpointed(analysis, (*checkpoints, _checkpoint(event)), event.synced_at)
        case AnalysisRewound():
            kept = tuple(each for each in checkpoints if each.to_block <= event.to_block)
            return _checkpointed(analysis, kept, event.rewound_at)
        case AnalysisCompleted():
            return Completed(event.run, event.completed_at, checkpoints)
        case AnalysisFailed():
            return Failed(event.run, event.failed_at, checkpoints, event.code, event.detail)
        case _:
            assert_never(event)


def _checkpointed(analysis: Analysis, checkpoints: Checkpoints, at: int) -> Analysis:
    match analysis:
        case Requested() | Running():
            return replace(analysis, checkpoints=checkpoints, updated_at=at)
        case NotRequested() | Completed() | Failed():  # only an active run reads ranges
            return analysis
        case _:
            assert_never(analysis)


def _pinned(event: AnalysisStarted) -> PinnedBlock:
    return PinnedBlock(event.block, event.block_hash, event.block_timestamp, event.finalized)


def _checkpoint(event: RangeSynced) -> Checkpoint:
    return Checkpoint(
        event.from_block, event.to_block, event.block_hash, event.count, event.segment
    )
