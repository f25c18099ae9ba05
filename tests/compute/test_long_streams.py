"""The state of a token that was analysed thousands of times fits a snapshot."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from chassis.log.event_store import MAX_COMMIT_BYTES
from compute.app import COMPUTE
from compute.state import REORGANISED, STORED_STATE, checkpoints_of
from contracts.compute import (
    AnalysisCompleted,
    AnalysisFailed,
    AnalysisRewound,
    ComputeEvent,
    RangeSynced,
)
from tests.compute.test_domain import ANALYSES, TOKEN, requested, started

RUNS = 3_000


def synced(run: int) -> RangeSynced:
    return RangeSynced(
        run=run,
        from_block=run * 300,
        to_block=run * 300 + 299,
        block_hash=f"0x{zlib.crc32(b'%d' % run):064x}",
        count=1,
        segment=f"1/{TOKEN}/{run * 300}-{run * 300 + 299}-{zlib.crc32(b'%d' % run):016x}.npz",
        synced_at=run,
    )


def run_of(number: int) -> list[ComputeEvent]:
    done = AnalysisCompleted(run=number, num_clusters=1, largest_share=0.5, completed_at=number)
    return [requested(number), started(number), synced(number), done]


def test_a_token_with_thousands_of_runs_has_a_snapshot() -> None:
    assert COMPUTE.snapshots is not None
    state = ANALYSES.fold([event for number in range(1, RUNS) for event in run_of(number)])
    stored = STORED_STATE.dump_json(state)
    assert len(zlib.compress(stored)) < MAX_COMMIT_BYTES / 4
    assert STORED_STATE.validate_json(stored) == state


def test_only_ranges_that_a_reorganisation_may_reach_have_hashes() -> None:
    state = ANALYSES.fold([event for number in range(1, 200) for event in run_of(number)])
    hashes = [each.block_hash for each in checkpoints_of(state)]
    assert hashes[-REORGANISED:] == [synced(n).block_hash for n in range(200 - REORGANISED, 200)]
    assert set(hashes[:-REORGANISED]) == {""}


failed = AnalysisFailed(run=1, code="too_large", detail="x", failed_at=1)
rewound = AnalysisRewound(run=1, to_block=900, transfers=1, rewound_at=2)
steps = st.sampled_from([requested(), started(), synced(1), synced(3), rewound, failed])


@given(st.lists(steps, max_size=12), st.lists(steps, max_size=6))
def test_folding_on_from_a_snapshot_makes_the_same_state(
    first: list[ComputeEvent], rest: list[ComputeEvent]
) -> None:
    stored = STORED_STATE.dump_json(ANALYSES.fold(first))
    state = ANALYSES.fold(rest, STORED_STATE.validate_json(stored))
    assert state == ANALYSES.fold([*first, *rest])
