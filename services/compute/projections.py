"""Project a token's analysis events into the view of its latest job."""

from collections.abc import Mapping
from typing import assert_never

from chassis.views.projection import Projection
from contracts.compute import (
    ANALYSIS_JOBS,
    AnalysisCompleted,
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisRequested,
    AnalysisRewound,
    AnalysisStarted,
    AnalysisView,
    ComputeEvent,
    Progress,
    RangeSynced,
    analysis_stream,
)


def fold(view: AnalysisView | None, event: ComputeEvent) -> AnalysisView | None:
    """Apply an event to the view; None until the first request."""
    if isinstance(event, AnalysisRequested):
        return _queued(view, event)
    if view is None or isinstance(event, AnalysisProgressed):  # its state and progress stay
        return view
    return view.model_copy(update=_changes(view, event))


def _changes(
    view: AnalysisView,
    event: AnalysisStarted | RangeSynced | AnalysisRewound | AnalysisCompleted | AnalysisFailed,
) -> Mapping[str, object]:
    match event:
        case AnalysisStarted():
            progress = _with_head(view.progress, event)
            return _reading(progress) | {"started_at": event.started_at}
        case RangeSynced():
            return _reading(_advanced(view.progress, event))
        case AnalysisRewound():
            return _reading(_rewound(view.progress, event))
        case AnalysisCompleted():
            result = f"/v1/tokens/cluster/{view.chain_id}/{view.token_address}"
            return {"state": "done", "ended_at": event.completed_at, "result": result}
        case AnalysisFailed():
            return {
                "state": "failed",
                "ended_at": event.failed_at,
                "code": event.code,
                "detail": event.detail,
            }
        case _:
            assert_never(event)


def _queued(view: AnalysisView | None, event: AnalysisRequested) -> AnalysisView:
    return AnalysisView(
        id=analysis_stream(event.chain_id, event.token_address),
        chain_id=event.chain_id,
        token_address=event.token_address,
        state="queued",
        run=event.run,
        requested_at=event.requested_at,
        progress=view and view.progress,
        result=view and view.result,
    )


def _reading(progress: Progress | None) -> dict[str, object]:
    if progress is None:  # the run was requested and has not started
        return {}
    state = "syncing" if progress.to_block < progress.head else "analysing"
    return {"state": state, "progress": progress}


def _with_head(progress: Progress | None, event: AnalysisStarted) -> Progress:
    if progress is not None:
        return progress.model_copy(update={"head": event.block})
    return Progress(
        from_block=event.from_block,
        to_block=event.from_block - 1,
        head=event.block,
        transfers=0,
    )


def _advanced(progress: Progress | None, event: RangeSynced) -> Progress | None:
    if progress is None:
        return None
    transfers = progress.transfers + event.count
    return progress.model_copy(update={"to_block": event.to_block, "transfers": transfers})


def _rewound(progress: Progress | None, event: AnalysisRewound) -> Progress | None:
    if progress is None:
        return None
    to_block = max(event.to_block, progress.from_block - 1)
    return progress.model_copy(update={"to_block": to_block, "transfers": event.transfers})


ANALYSIS_VIEWS = Projection(ANALYSIS_JOBS, fold, version=2)
