from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.domain import (
    FAILED_SECONDS,
    PROGRESS_SECONDS,
    STALLED_SECONDS,
    TOO_FRESH_SECONDS,
    analyses,
)
from compute.state import Analysis, Requested, synced_to
from contracts.compute import (
    AnalysisCompleted,
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisRequested,
    AnalysisRewound,
    AnalysisStarted,
    CompleteAnalysis,
    ComputeEvent,
    FailAnalysis,
    RangeSynced,
    RecordProgress,
    RecordRange,
    RequestAnalysis,
    RewindAnalysis,
    StartAnalysis,
)
from tests.support.scenario import NOON, Scenario

TOKEN = "0x" + "ab" * 20
ANALYSES = analyses(frozenset({1}))
SCENARIO = Scenario(ANALYSES)
REQUEST = RequestAnalysis(chain_id=1, token_address=TOKEN)


def block(letter: str) -> str:
    return "0x" + letter * 64


def requested(run: int = 1) -> AnalysisRequested:
    return AnalysisRequested(chain_id=1, token_address=TOKEN, requested_at=NOON.at, run=run)


def start(letter: str = "a") -> StartAnalysis:
    return StartAnalysis(
        chain_id=1, token_address=TOKEN, run=1, from_block=7, block=90,
        block_hash=block(letter), block_timestamp=5, finalized=True,
    )  # fmt: skip


def started(run: int = 1) -> AnalysisStarted:
    return AnalysisStarted(
        run=run, from_block=7, block=90, block_hash=block("a"), block_timestamp=5,
        finalized=True, started_at=NOON.at,
    )  # fmt: skip


def record(first: int, last: int, run: int = 1) -> RecordRange:
    return RecordRange(
        chain_id=1, token_address=TOKEN, run=run, from_block=first, to_block=last,
        block_hash=block("b"), count=3, segment=f"{first}",
    )  # fmt: skip


def synced(first: int, last: int) -> RangeSynced:
    return RangeSynced(
        run=1, from_block=first, to_block=last, block_hash=block("b"), count=3,
        segment=f"{first}", synced_at=NOON.at,
    )  # fmt: skip


def completed(run: int = 1) -> AnalysisCompleted:
    return AnalysisCompleted(run=run, num_clusters=2, largest_share=0.5, completed_at=NOON.at)


def failed(code: str) -> AnalysisFailed:
    return AnalysisFailed.model_validate(
        {"run": 1, "code": code, "detail": "The token has no transfers.", "failedAt": NOON.at}
    )


def replace_time(event: AnalysisRequested, seconds: int) -> AnalysisRequested:
    return event.model_copy(update={"requested_at": NOON.at + seconds})


def later(seconds: int) -> Scenario:  # type: ignore[type-arg]
    return SCENARIO.at(replace(NOON, at_ms=NOON.at_ms + seconds * 1000))


def test_a_request_for_a_chain_without_an_endpoint_is_rejected() -> None:
    elsewhere = RequestAnalysis(chain_id=10, token_address=TOKEN)
    SCENARIO.when(elsewhere).then_rejected("unsupported_chain")


def test_the_first_request_starts_the_first_run() -> None:
    SCENARIO.when(REQUEST).then(requested())


@pytest.mark.parametrize("active", [(requested(),), (requested(), started())])
def test_a_request_joins_an_active_run(active: tuple[AnalysisRequested, ...]) -> None:
    SCENARIO.given(*active).when(REQUEST).then_nothing()


def test_a_request_replaces_a_stalled_run() -> None:
    again = requested(2).model_copy(update={"requested_at": NOON.at + STALLED_SECONDS})
    later(STALLED_SECONDS).given(requested(), started()).when(REQUEST).then(again)
    later(STALLED_SECONDS - 1).given(requested(), started()).when(REQUEST).then_nothing()


def test_progress_keeps_a_run_from_being_replaced() -> None:
    record = RecordProgress(chain_id=1, token_address=TOKEN, run=1, step="facts")
    at = NOON.at + STALLED_SECONDS - 1
    progressed = AnalysisProgressed(run=1, step="facts", progressed_at=at)
    begun = (requested(), started())
    later(STALLED_SECONDS - 1).given(*begun).when(record).then(progressed)
    later(STALLED_SECONDS).given(*begun, progressed).when(REQUEST).then_nothing()


def test_progress_is_recorded_at_a_bounded_rate() -> None:
    record = RecordProgress(chain_id=1, token_address=TOKEN, run=1, step="facts")
    begun = (requested(), started())
    later(PROGRESS_SECONDS - 1).given(*begun).when(record).then_nothing()
    later(PROGRESS_SECONDS).given(*begun, completed()).when(record).then_rejected("run_over")


def test_the_least_age_of_a_report_can_be_configured() -> None:
    scenario = Scenario(analyses(frozenset({1}), least_age=5))
    done = (requested(), started(), completed())
    for seconds, rejected in ((4, True), (5, False)):
        at = scenario.at(replace(NOON, at_ms=NOON.at_ms + seconds * 1000)).given(*done)
        if rejected:
            at.when(REQUEST).then_rejected("too_fresh")
        else:
            at.when(REQUEST).then(replace_time(requested(run=2), seconds))


def test_a_fresh_report_is_not_replaced() -> None:
    done = (requested(), started(), completed())
    later(TOO_FRESH_SECONDS - 1).given(*done).when(REQUEST).then_rejected("too_fresh")
    again = requested(2).model_copy(update={"requested_at": NOON.at + TOO_FRESH_SECONDS})
    later(TOO_FRESH_SECONDS).given(*done).when(REQUEST).then(again)


def test_a_permanent_failure_is_not_retried_for_a_while() -> None:
    over = (requested(), failed("no_contract"))
    later(FAILED_SECONDS - 1).given(*over).when(REQUEST).then_nothing()
    again = requested(2).model_copy(update={"requested_at": NOON.at + FAILED_SECONDS})
    later(FAILED_SECONDS).given(*over).when(REQUEST).then(again)


def test_a_temporary_failure_is_retried_at_once() -> None:
    over = (requested(), failed("provider_unavailable"))
    SCENARIO.given(*over).when(REQUEST).then(requested(2))


def test_a_run_is_pinned_once() -> None:
    SCENARIO.given(requested()).when(start()).then(started())
    SCENARIO.given(requested(), started()).when(start()).then_nothing()


def test_a_second_start_with_another_block_replaces_the_first() -> None:
    other = started().model_copy(update={"block_hash": block("c")})
    SCENARIO.given(requested(), started()).when(start("c")).then(other)


def test_ranges_are_recorded_once_and_without_gaps() -> None:
    begun = (requested(), started(), synced(7, 50))
    SCENARIO.given(*begun).when(record(51, 90)).then(synced(51, 90))
    SCENARIO.given(*begun).when(record(7, 50)).then_nothing()
    SCENARIO.given(*begun).when(record(60, 90)).then_rejected("range_out_of_order")


def test_a_rewind_drops_later_ranges() -> None:
    begun = (requested(), started(), synced(7, 50), synced(51, 90))
    rewound = AnalysisRewound(run=1, to_block=50, transfers=3, rewound_at=NOON.at)
    rewind = RewindAnalysis(chain_id=1, token_address=TOKEN, run=1, to_block=50)
    SCENARIO.given(*begun).when(rewind).then(rewound)
    SCENARIO.given(*begun, rewound).when(rewind).then_nothing()
    SCENARIO.given(*begun, rewound).when(record(51, 90)).then(synced(51, 90))


def test_a_run_ends_once() -> None:
    begun = (requested(), started())
    complete = CompleteAnalysis(
        chain_id=1, token_address=TOKEN, run=1, num_clusters=2, largest_share=0.5
    )
    fail = FailAnalysis(
        chain_id=1,
        token_address=TOKEN,
        run=1,
        code="not_erc20",
        detail="The token has no transfers.",
    )
    SCENARIO.given(*begun).when(complete).then(completed())
    SCENARIO.given(*begun).when(fail).then(failed("not_erc20"))
    SCENARIO.given(*begun, completed()).when(complete).then_rejected("run_over")
    SCENARIO.given(*begun, completed()).when(fail).then_rejected("run_over")


def test_a_worker_of_an_earlier_run_cannot_write_to_the_next() -> None:
    next_run = (requested(), started(), requested(2), started(2))
    SCENARIO.given(*next_run).when(record(7, 50)).then_rejected("run_over")
    SCENARIO.given(*next_run).when(record(7, 50, run=2)).then(
        synced(7, 50).model_copy(update={"run": 2})
    )


EVENTS: list[ComputeEvent] = [
    requested(), requested(2), started(), started(2), synced(7, 50), synced(51, 90),
    AnalysisRewound(run=1, to_block=50, transfers=3, rewound_at=NOON.at),
    AnalysisProgressed(run=1, step="facts", progressed_at=NOON.at),
    completed(), failed("no_contract"),
]  # fmt: skip


@pytest.mark.slow
@given(st.lists(st.sampled_from(EVENTS), max_size=12))
def test_every_sequence_of_events_can_be_folded(events: list[ComputeEvent]) -> None:
    """Also those that `decide` never makes: `evolve` rejects nothing."""
    assert isinstance(ANALYSES.fold(events), Analysis)


def test_a_later_run_keeps_the_checkpoints() -> None:
    state = ANALYSES.fold([requested(), started(), synced(7, 90), completed(), requested(2)])
    assert synced_to(state) == 90
    assert isinstance(state, Requested)
