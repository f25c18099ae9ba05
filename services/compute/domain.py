"""Analyses of one token: requested, read range by range, completed or failed; run after run."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, assert_never

from chassis.decide.decider import Decider, DecisionContext, Rejected
from contracts.compute import (
    AnalysisCompleted,
    AnalysisFailed,
    AnalysisRequested,
    AnalysisRewound,
    AnalysisStarted,
    CompleteAnalysis,
    ComputeCommand,
    ComputeEvent,
    FailAnalysis,
    RangeSynced,
    RecordRange,
    RequestAnalysis,
    RewindAnalysis,
    StartAnalysis,
)

TOO_FRESH_SECONDS: Final = 60
"""So soon after a report nobody learns anything from a new one."""
FAILED_SECONDS: Final = 600
"""What is wrong with a token stays wrong for a while: it is not looked at again before."""
STALLED_SECONDS: Final = 1_800
"""A run that has not got on for so long has lost its worker and its message: it is begun anew."""
LASTING: Final = frozenset({"no_contract", "not_erc20", "too_large"})
"""Failures that another try would only repeat."""

Course = Literal["none", "requested", "started", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Transfers up to `to_block` are kept, on the branch whose block there has this hash."""

    from_block: int
    to_block: int
    block_hash: str
    count: int
    segment: str


@dataclass(frozen=True, slots=True)
class Pin:
    """The block that a run is about."""

    block: int
    block_hash: str
    timestamp: int
    finalized: bool
    started_at: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """The analyses of one token; checkpoints outlive runs, so that a run reads only new blocks."""

    run: int = 0
    course: Course = "none"
    pin: Pin | None = None
    checkpoints: tuple[Checkpoint, ...] = ()
    moved_at: int = 0
    """UNIX seconds of the last event."""
    failure: AnalysisFailed | None = None

    @property
    def running(self) -> bool:
        return self.course in ("requested", "started")

    @property
    def synced_to(self) -> int | None:
        return self.checkpoints[-1].to_block if self.checkpoints else None


def evolve(analysis: Analysis, event: ComputeEvent) -> Analysis:
    match event:
        case AnalysisRequested():
            return replace(
                analysis,
                run=event.run,
                course="requested",
                pin=None,
                failure=None,
                moved_at=event.requested_at,
            )
        case AnalysisStarted():
            return replace(analysis, course="started", pin=_pin(event), moved_at=event.started_at)
        case RangeSynced():
            kept = (*analysis.checkpoints, _checkpoint(event))
            return replace(analysis, checkpoints=kept, moved_at=event.synced_at)
        case AnalysisRewound():
            kept = tuple(c for c in analysis.checkpoints if c.to_block <= event.to_block)
            return replace(analysis, checkpoints=kept, moved_at=event.rewound_at)
        case AnalysisCompleted():
            return replace(analysis, course="completed", moved_at=event.completed_at)
        case AnalysisFailed():
            return replace(analysis, course="failed", failure=event, moved_at=event.failed_at)
        case _:
            assert_never(event)


def _pin(event: AnalysisStarted) -> Pin:
    return Pin(
        event.block, event.block_hash, event.block_timestamp, event.finalized, event.started_at
    )


def _checkpoint(event: RangeSynced) -> Checkpoint:
    return Checkpoint(
        event.from_block, event.to_block, event.block_hash, event.count, event.segment
    )


def decide_on(
    chains: frozenset[int],
) -> Callable[[Analysis, ComputeCommand, DecisionContext], list[ComputeEvent]]:
    """Decisions where these chains, and no others, have an endpoint."""

    def decide(
        analysis: Analysis, command: ComputeCommand, moment: DecisionContext
    ) -> list[ComputeEvent]:
        if isinstance(command, RequestAnalysis):
            _check_chain(command.chain_id, chains)
            return _request(analysis, command, moment)
        _check_run(analysis, command.run)
        match command:
            case StartAnalysis():
                return _start(analysis, command, moment)
            case RecordRange():
                return _record(analysis, command, moment)
            case RewindAnalysis():
                return _rewind(analysis, command, moment)
            case CompleteAnalysis():
                return [
                    AnalysisCompleted(
                        run=command.run,
                        num_clusters=command.num_clusters,
                        largest_share=command.largest_share,
                        completed_at=moment.at,
                    )
                ]
            case FailAnalysis():
                return [
                    AnalysisFailed(
                        run=command.run,
                        code=command.code,
                        detail=command.detail,
                        failed_at=moment.at,
                    )
                ]
            case _:
                assert_never(command)

    return decide


def _check_chain(chain_id: int, chains: frozenset[int]) -> None:
    if chain_id not in chains:
        raise Rejected(
            f"chain {chain_id} is not supported: no endpoint is configured for it",
            code="unsupported_chain",
            kind="not_implemented",
        )


def _check_run(analysis: Analysis, run: int) -> None:
    """A worker that was thought lost must not write into the run of its successor."""
    if run != analysis.run or not analysis.running:
        raise Rejected(f"run {run} is over; the latest is {analysis.run}", code="run_over")


def _request(
    analysis: Analysis, command: RequestAnalysis, moment: DecisionContext
) -> list[ComputeEvent]:
    quiet = moment.at - analysis.moved_at
    if analysis.running and quiet < STALLED_SECONDS:
        return []
    if analysis.course == "completed" and quiet < TOO_FRESH_SECONDS:
        raise Rejected(
            f"the report is {quiet} s old; a new one can be asked for "
            f"{TOO_FRESH_SECONDS} s after the last",
            code="too_fresh",
        )
    if (failure := analysis.failure) and failure.code in LASTING and quiet < FAILED_SECONDS:
        return []
    return [
        AnalysisRequested(
            chain_id=command.chain_id,
            token_address=command.token_address,
            requested_at=moment.at,
            run=analysis.run + 1,
        )
    ]


def _start(
    analysis: Analysis, command: StartAnalysis, moment: DecisionContext
) -> list[ComputeEvent]:
    """A second start in a run names another block: the chain has left the first."""
    if analysis.pin is not None and analysis.pin.block_hash == command.block_hash:
        return []
    return [
        AnalysisStarted(
            run=command.run,
            from_block=command.from_block,
            block=command.block,
            block_hash=command.block_hash,
            block_timestamp=command.block_timestamp,
            finalized=command.finalized,
            started_at=moment.at,
        )
    ]


def _record(
    analysis: Analysis, command: RecordRange, moment: DecisionContext
) -> list[ComputeEvent]:
    """Ranges follow each other without a gap; one that is known is not kept twice."""
    synced = analysis.synced_to
    if synced is not None and command.to_block <= synced:
        return []
    if synced is not None and command.from_block != synced + 1:
        raise Rejected(
            f"blocks up to {synced} are kept; a range from {command.from_block} does not follow",
            code="range_out_of_order",
        )
    return [
        RangeSynced(
            run=command.run,
            from_block=command.from_block,
            to_block=command.to_block,
            block_hash=command.block_hash,
            count=command.count,
            segment=command.segment,
            synced_at=moment.at,
        )
    ]


def _rewind(
    analysis: Analysis, command: RewindAnalysis, moment: DecisionContext
) -> list[ComputeEvent]:
    if analysis.synced_to is None or analysis.synced_to <= command.to_block:
        return []
    kept = sum(c.count for c in analysis.checkpoints if c.to_block <= command.to_block)
    return [
        AnalysisRewound(
            run=command.run, to_block=command.to_block, transfers=kept, rewound_at=moment.at
        )
    ]


def analyses(chains: frozenset[int]) -> Decider[Analysis, ComputeCommand, ComputeEvent]:
    return Decider(Analysis(), decide_on(chains), evolve)
