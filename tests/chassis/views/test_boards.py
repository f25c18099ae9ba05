"""Boards are ordered, read in pages, and rebuilt and verified like every read model."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.log.memory import MemoryEventStore
from chassis.views.boards import Boards
from chassis.views.inspection import Inspection
from chassis.views.projection import Ordering
from chassis.views.projector import Projector
from chassis.views.read_models import ReadModels
from chassis.views.rebuild.run import Rebuilder
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.read_models import BoardRef
from tests.chassis.appending import append
from tests.chassis.events import CODEC, Counted, CounterView, Named, fold
from tests.chassis.models import SERVICE

pytestmark = pytest.mark.stack

Event = Counted | Named
Store = MemoryEventStore[Event]


def scores(view: CounterView) -> Mapping[str, float | None]:
    """Even totals are on a second board, which a counter leaves when its total is odd."""
    return {"all": view.total + 0.5, "even": None if view.total % 2 else float(view.total)}


ORDER_BOARDS = BoardRef(SERVICE, "order", CounterView)
ORDER = Ordering(ORDER_BOARDS, fold, scores)


@pytest.fixture
async def projector(redis: Any, memory_store: Store) -> Projector[Event]:
    projector = Projector(redis, memory_store, SERVICE, (ORDER,))
    await ReadModelWatcher(projector).rebuild_needed()
    return projector


@pytest.fixture
def boards(redis: Any) -> Boards[CounterView]:
    return Boards(ReadModels(redis), ORDER_BOARDS)


async def test_equal_scores_have_equal_ranks(
    memory_store: Store, projector: Projector[Event], boards: Boards[CounterView]
) -> None:
    for name, by in {"a": 5, "b": 7, "c": 5, "d": 1}.items():
        await projector.project(await append(memory_store, f"counter-{name}", Counted(by=by)))
    page = await boards.page("all", member="counter-c", limit=10)
    assert [(row.rank, row.ranking_score) for row in page.rows] == [(1, 7), (2, 5), (2, 5), (4, 1)]
    assert (page.total, page.member_rank, page.member_score) == (4, 2, 5.5)
    assert [row.view.total for row in page.rows] == [7, 5, 5, 1]
    assert await boards.view("counter-d") == CounterView(total=1, events=1)
    assert await boards.view("counter-x") is None
    around = await boards.page("all", member="counter-d", around=True, limit=2)
    assert [(row.rank, row.member) for row in around.rows] == [(2, "counter-a"), (4, "counter-d")]
    assert await boards.lowest("all", max_score=5.5, limit=9) == [
        "counter-d",
        "counter-a",
        "counter-c",
    ]


def fold_until_removed(view: CounterView | None, event: Event) -> CounterView | None:
    return None if event == Named(name="removed") else fold(view, event)


async def test_a_fold_that_returns_none_removes_the_entry_from_its_boards(
    redis: Any, memory_store: Store, boards: Boards[CounterView]
) -> None:
    ordering = Ordering(ORDER_BOARDS, fold_until_removed, scores)
    projector = Projector(redis, memory_store, SERVICE, (ordering,))
    await ReadModelWatcher(projector).rebuild_needed()
    for name in ("a", "b"):
        await projector.project(await append(memory_store, f"counter-{name}", Counted(by=2)))
    await projector.project(await append(memory_store, "counter-a", Named(name="removed")))
    for board in ("all", "even"):
        page = await boards.page(board, limit=10)
        assert [row.member for row in page.rows] == ["counter-b"]
    assert await boards.view("counter-a") is None
    inspection = Inspection(projector)
    for name, generation in (await inspection.served()).items():
        assert (await inspection.verify(name, generation)).matches
    await projector.project(await append(memory_store, "counter-a", Counted(by=3)))
    assert [row.member for row in (await boards.page("even", limit=10)).rows] == ["counter-b"]
    assert (await boards.page("all", limit=10)).total == 2


async def test_a_member_that_is_not_on_a_board_has_no_rank(
    projector: Projector[Event], boards: Boards[CounterView]
) -> None:
    assert projector.models
    page = await boards.page("all", member="counter-x", around=True, limit=3)
    assert (page.total, page.member_rank, page.rows) == (0, None, ())


async def test_a_board_can_be_left(
    memory_store: Store, projector: Projector[Event], boards: Boards[CounterView]
) -> None:
    await projector.project(await append(memory_store, "counter-a", Counted(by=2)))
    assert (await boards.page("even", limit=1)).total == 1
    await projector.project(await append(memory_store, "counter-a", Counted(by=1)))
    assert (await boards.page("even", limit=1)).total == 0


async def test_a_gap_is_filled_from_the_stored_entry(
    memory_store: Store, projector: Projector[Event], boards: Boards[CounterView]
) -> None:
    await projector.project(await append(memory_store, "counter-a", Counted(by=2)))
    await append(memory_store, "counter-a", Counted(by=3))
    target = projector.target("order", 1)
    assert target is not None
    assert await projector.catch_up(target, "counter-a")
    assert (await boards.page("all", member="counter-a")).member_score == 5.5


async def test_a_rebuilt_board_is_the_same_and_can_be_verified(
    redis: Any, memory_store: Store, projector: Projector[Event], boards: Boards[CounterView]
) -> None:
    for number in range(40):
        await projector.project(
            await append(memory_store, f"counter-{number}", Counted(by=number % 7))
        )
    before = await boards.page("all", limit=40)
    progress = await Rebuilder(projector).rebuild("order")
    assert await boards.page("all", limit=40) == before
    inspection = Inspection(projector)
    assert (await inspection.verify("order", progress.generation)).matches
    (key,) = [k for k in await redis.keys("*by:all") if b":2}" in k]
    await redis.zadd(key, {"counter-3": 99})
    parity = await inspection.verify("order", progress.generation)
    assert parity.different == ["counter-3"]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(totals=st.lists(st.integers(0, 6), min_size=1, max_size=12), seed=st.integers(0, 99))
async def test_a_rank_is_one_more_than_the_members_with_higher_scores(
    redis: Any, totals: list[int], seed: int
) -> None:
    await redis.flushdb()
    store: Store = MemoryEventStore(CODEC)
    for number, total in enumerate(totals):
        await append(store, f"counter-{number}", Counted(by=total))
    await ReadModelWatcher(Projector(redis, store, SERVICE, (ORDER,))).rebuild_needed()
    boards = Boards(ReadModels(redis), ORDER_BOARDS)
    first = random.Random(seed).randrange(len(totals))
    page = await boards.page("all", first=first, limit=5)
    for row in page.rows:
        assert row.rank == 1 + sum(total > row.ranking_score for total in totals)
    own = await boards.page("all", member="counter-0", around=True, limit=3)
    assert own.member_rank == 1 + sum(total > totals[0] for total in totals)
    assert "counter-0" in [row.member for row in own.rows]
