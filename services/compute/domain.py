"""Decide on the analyses of one token: request a run, record its progress, complete or fail it."""

from collections.abc import Callable
from typing import Final, assert_never

from chassis.decide.decider import Decider, DecisionContext, Rejected
from compute.state import (
    ActiveRun,
    Analysis,
    Completed,
    Failed,
    NotRequested,
    Requested,
    Running,
    evolve,
    synced_to,
)
from contracts.compute import (
    AnalysisCompleted,
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisRequested,
    AnalysisRewound,
    AnalysisStarted,
    CompleteAnalysis,
    ComputeCommand,
    ComputeEvent,
    FailAnalysis,
    RangeSynced,
    RecordProgress,
    RecordRange,
    RequestAnalysis,
    RewindAnalysis,
    StartAnalysis,
)

TOO_FRESH_SECONDS: Final = 60
"""Minimum age of a report before another run may be requested, by default."""
FAILED_SECONDS: Final = 600
"""Time after a permanent failure during which requests do not start another run."""
STALLED_SECONDS: Final = 1_800
"""Time without an event after which a run counts as lost and a request starts another one."""
PROGRESS_SECONDS: Final = 60
"""Time since the last event before which progress is not recorded."""
PERMANENT_FAILURES: Final = frozenset({"no_contract", "not_erc20", "too_large", "not_computable"})
"""Failures that another run would only repeat."""

RunCommand = (
    StartAnalysis | RecordRange | RewindAnalysis | RecordProgress | CompleteAnalysis | FailAnalysis
)
"""The commands that a worker issues during a run."""
AnalysisDecider = Decider[Analysis, ComputeCommand, ComputeEvent]


def decide_on(
    chains: frozenset[int], least_age: int = TOO_FRESH_SECONDS
) -> Callable[[Analysis, ComputeCommand, DecisionContext], list[ComputeEvent]]:
    """Return a `decide` for these chain ids that renews reports of `least_age` seconds or more."""

    def decide(
        analysis: Analysis, command: ComputeCommand, context: DecisionContext
    ) -> list[ComputeEvent]:
        match command:
            case RequestAnalysis(chain_id=number):
                _require_supported(number, chains)
                return _request(analysis, command, context, least_age)
            case (
                StartAnalysis()
                | RecordRange()
                | RewindAnalysis()
                | RecordProgress()
                | CompleteAnalysis()
                | FailAnalysis()
            ):
                return _continue(_active_run(analysis, command.run), command, context)
            case _:
                assert_never(command)

    return decide


def _require_supported(chain_id: int, chains: frozenset[int]) -> None:
    if chain_id not in chains:
        raise Rejected(
            f"Chain {chain_id} is not supported now: no endpoint is configured for it. "
            "Choose another chain.",
            code="unsupported_chain",
            kind="not_implemented",
        )


def _request(
    analysis: Analysis, command: RequestAnalysis, context: DecisionContext, age: int
) -> list[ComputeEvent]:
    match analysis:
        case NotRequested():
            return [_requested(command, 1, context)]
        case Requested() | Running():
            if context.at - analysis.updated_at < STALLED_SECONDS:
                return []
        case Completed():
            _require_age(context.at - analysis.completed_at, age)
        case Failed():
            recent = context.at - analysis.failed_at < FAILED_SECONDS
            if recent and analysis.code in PERMANENT_FAILURES:
                return []
        case _:
            assert_never(analysis)
    return [_requested(command, analysis.run + 1, context)]


def _require_age(seconds: int, least: int) -> None:
    if seconds < least:
        age = f"The latest report is only {seconds} s old."
        detail = f"{age} You can request a new one {least} s after the last."
        raise Rejected(detail, code="too_fresh")


def _requested(command: RequestAnalysis, run: int, context: DecisionContext) -> AnalysisRequested:
    return AnalysisRequested(
        chain_id=command.chain_id,
        token_address=command.token_address,
        requested_at=context.at,
        run=run,
    )


def _active_run(analysis: Analysis, run: int) -> ActiveRun:
    """Return the active run; a worker that was presumed lost must not write to its successor's.

    Raises:
        Rejected: this run has ended or was replaced.
    """
    match analysis:
        case Requested() | Running() if analysis.run == run:
            return analysis
        case Requested() | Running() | Completed() | Failed():
            latest = analysis.run
        case NotRequested():
            latest = 0
        case _:
            assert_never(analysis)
    raise Rejected(f"Run {run} is over; the latest run is {latest}.", code="run_over")


def _continue(
    analysis: ActiveRun, command: RunCommand, context: DecisionContext
) -> list[ComputeEvent]:
    match command:
        case StartAnalysis():
            return _start(analysis, command, context)
        case RecordRange():
            return _record(analysis, command, context)
        case RewindAnalysis():
            return _rewind(analysis, command, context)
        case RecordProgress():
            return _progress(analysis, command, context)
        case CompleteAnalysis():
            return [
                AnalysisCompleted(
                    run=command.run,
                    num_clusters=command.num_clusters,
                    largest_share=command.largest_share,
                    completed_at=context.at,
                )
            ]
        case FailAnalysis():
            return [
                AnalysisFailed(
                    run=command.run,
                    code=command.code,
                    detail=command.detail,
                    failed_at=context.at,
                )
            ]
        case _:
            assert_never(command)


def _start(
    analysis: ActiveRun, command: StartAnalysis, context: DecisionContext
) -> list[ComputeEvent]:
    """Pin the run's block; a second start with another block means the chain left the first."""
    if isinstance(analysis, Running) and analysis.pinned.hash == command.block_hash:
        return []
    return [
        AnalysisStarted(
            run=command.run,
            from_block=command.from_block,
            block=command.block,
            block_hash=command.block_hash,
            block_timestamp=command.block_timestamp,
            finalized=command.finalized,
            started_at=context.at,
        )
    ]


def _record(
    analysis: ActiveRun, command: RecordRange, context: DecisionContext
) -> list[ComputeEvent]:
    """Append a range without a gap; a range that is already stored changes nothing."""
    last = synced_to(analysis)
    if last is not None and command.to_block <= last:
        return []
    if last is not None and command.from_block != last + 1:
        raise Rejected(
            f"Blocks up to {last} are stored; a range from {command.from_block} leaves a gap.",
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
            synced_at=context.at,
        )
    ]


def _rewind(
    analysis: ActiveRun, command: RewindAnalysis, context: DecisionContext
) -> list[ComputeEvent]:
    last = synced_to(analysis)
    if last is None or last <= command.to_block:
        return []
    kept = sum(each.count for each in analysis.checkpoints if each.to_block <= command.to_block)
    return [
        AnalysisRewound(
            run=command.run, to_block=command.to_block, transfers=kept, rewound_at=context.at
        )
    ]


def _progress(
    analysis: ActiveRun, command: RecordProgress, context: DecisionContext
) -> list[ComputeEvent]:
    """Record progress unless another event has just shown that the run continues."""
    if context.at - analysis.updated_at < PROGRESS_SECONDS:
        return []
    return [AnalysisProgressed(run=command.run, step=command.step, progressed_at=context.at)]


def analyses(chains: frozenset[int], least_age: int = TOO_FRESH_SECONDS) -> AnalysisDecider:
    """Return the decider of analyses on these chain ids; `least_age` is in seconds."""
    return Decider(NotRequested(), decide_on(chains, least_age), evolve)
