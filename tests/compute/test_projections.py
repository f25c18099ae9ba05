from functools import reduce

from compute.projections import fold
from contracts.compute import (
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisRewound,
    AnalysisView,
    ComputeEvent,
    Progress,
)
from tests.compute.test_domain import TOKEN, completed, requested, started, synced
from tests.support.scenario import NOON


def view_of(*events: ComputeEvent) -> AnalysisView:
    view = reduce(fold, events, None)
    assert view is not None
    return view


def test_a_job_is_queued_then_syncing_then_analysing_then_done() -> None:
    steps: list[ComputeEvent] = [requested(), started(), synced(7, 50), synced(51, 90), completed()]
    states = [view_of(*steps[: n + 1]).state for n in range(len(steps))]
    assert states == ["queued", "syncing", "syncing", "analysing", "done"]


def test_progress_shows_the_stored_blocks_and_the_pinned_block() -> None:
    before = view_of(requested(), started()).progress
    assert before == Progress(from_block=7, to_block=6, head=90, transfers=0)
    after = view_of(requested(), started(), synced(7, 50)).progress
    assert after == Progress(from_block=7, to_block=50, head=90, transfers=3)


def test_a_rewind_reduces_the_progress() -> None:
    rewound = AnalysisRewound(run=1, to_block=50, transfers=3, rewound_at=NOON.at)
    view = view_of(requested(), started(), synced(7, 50), synced(51, 90), rewound)
    assert view.state == "syncing"
    assert view.progress == Progress(from_block=7, to_block=50, head=90, transfers=3)


def test_progress_without_a_range_changes_nothing() -> None:
    before = (requested(), started(), synced(7, 90))
    progressed = AnalysisProgressed(run=1, step="facts", progressed_at=NOON.at)
    assert view_of(*before, progressed) == view_of(*before)
    assert fold(None, progressed) is None


def test_a_finished_job_links_to_its_report() -> None:
    view = view_of(requested(), started(), completed())
    assert view.id == f"analysis-1-{TOKEN}"
    assert view.result == f"/v1/tokens/cluster/1/{TOKEN}"
    assert view.ended_at == NOON.at


def test_the_next_job_keeps_the_link_to_the_last_report() -> None:
    view = view_of(requested(), started(), synced(7, 90), completed(), requested(2), started(2))
    assert (view.run, view.state) == (2, "analysing")
    assert view.result is not None
    assert view.ended_at is None


def test_a_failed_job_has_a_code_and_a_detail() -> None:
    failed = AnalysisFailed(run=1, code="not_erc20", detail="no totalSupply", failed_at=NOON.at)
    view = view_of(requested(), started(), failed)
    assert (view.state, view.code, view.detail) == ("failed", "not_erc20", "no totalSupply")
