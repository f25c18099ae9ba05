"""What readers see of analyses."""

from typing import assert_never

from chassis.projection import Projection
from contracts.compute import AnalysisRequested, AnalysisView, ComputeEvent


def fold(_view: AnalysisView | None, event: ComputeEvent) -> AnalysisView | None:
    match event:
        case AnalysisRequested():
            return AnalysisView(
                chain_id=event.chain_id,
                token_address=event.token_address,
                state="queued",
                requested_at=event.requested_at,
            )
        case _:
            assert_never(event)


ANALYSIS_VIEWS = Projection("analyses", AnalysisView, fold)
