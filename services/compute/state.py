"""Represent the analyses of one token as the phase of its latest run."""

from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal, assert_never

from pydantic import Field, TypeAdapter

from compute.chain_facts import PinnedBlock
from contracts.compute import (
    AnalysisCompleted,
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisRequested,
    AnalysisRewound,
    AnalysisStarted,
    ComputeEvent,
    FailureCode,
    RangeSynced,
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Describe a stored range of transfers."""

    from_block: int
    to_block: int
    block_hash: str
    """Hash of `to_block`, which identifies its branch; empty if the range is too old to change."""
    count: int
    """Transfers in the range."""
    segment: str
    """Key of the stored segment."""


Checkpoints = tuple[Checkpoint, ...]
"""Consecutive ranges; they outlive runs, so that a run reads only new blocks."""


REORGANISED: Final = 50
"""Newest ranges whose hashes are stored; a chain that leaves an older one is read again."""


@dataclass(frozen=True, slots=True)
class NotRequested:
    """Represent a token that was never analysed."""

    phase: Literal["not_requested"] = "not_requested"


@dataclass(frozen=True, slots=True)
class Requested:
    """Represent a run that waits for a worker."""

    run: int
    updated_at: int
    """UNIX seconds of the last event."""
    checkpoints: Checkpoints
    phase: Literal["requested"] = "requested"


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
    phase: Literal["running"] = "running"


@dataclass(frozen=True, slots=True)
class Completed:
    """Represent a run whose report is stored."""

    run: int
    completed_at: int
    """UNIX seconds."""
    checkpoints: Checkpoints
    phase: Literal["completed"] = "completed"


@dataclass(frozen=True, slots=True)
class Failed:
    """Represent a run that ended without a report."""

    run: int
    failed_at: int
    """UNIX seconds."""
    checkpoints: Checkpoints
    code: FailureCode
    detail: str
    phase: Literal["failed"] = "failed"


Analysis = NotRequested | Requested | Running | Completed | Failed
"""The analyses of one token: the phase of its latest run."""
ActiveRun = Requested | Running

STORED_STATE: Final[TypeAdapter[Analysis]] = TypeAdapter(
    Annotated[Analysis, Field(discriminator="phase")]
)
"""How the state is stored in a snapshot."""


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
        case RangeSynced() | AnalysisRewound() | AnalysisProgressed():
            return _continued(analysis, event)
        case AnalysisCompleted():
            return Completed(event.run, event.completed_at, checkpoints)
        case AnalysisFailed():
            return Failed(event.run, event.failed_at, checkpoints, event.code, event.detail)
        case _:
            assert_never(event)


def _continued(
    analysis: Analysis, event: RangeSynced | AnalysisRewound | AnalysisProgressed
) -> Analysis:
    checkpoints = checkpoints_of(analysis)
    match event:
        case RangeSynced():
            return _checkpointed(analysis, _extended(checkpoints, event), event.synced_at)
        case AnalysisRewound():
            kept = tuple(each for each in checkpoints if each.to_block <= event.to_block)
            return _checkpointed(analysis, kept, event.rewound_at)
        case AnalysisProgressed():
            return _checkpointed(analysis, checkpoints, event.progressed_at)
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


def _extended(checkpoints: Checkpoints, event: RangeSynced) -> Checkpoints:
    """Append a range, and drop the hash of the one that has become old."""
    recent = len(checkpoints) - REORGANISED
    if recent < 0:
        return (*checkpoints, _checkpoint(event))
    old = replace(checkpoints[recent], block_hash="")
    return (*checkpoints[:recent], old, *checkpoints[recent + 1 :], _checkpoint(event))


def _checkpoint(event: RangeSynced) -> Checkpoint:
    return Checkpoint(
        event.from_block, event.to_block, event.block_hash, event.count, event.segment
    )
