"""Boards: kept in order, rebuilt and verified as every read model, and read in pages."""

import random
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.log.event_store import History, Origin, UnknownEvent
from chassis.log.histories import histories
from chassis.log.memory import MemoryEventStore
from chassis.views.boards import Boards
from chassis.views.inspection import Inspection
from chassis.views.projection import Ordering
from chassis.views.projector import Projector
from chassis.views.read_models import ReadModels
from chassis.views.rebuild.run import Rebuilder
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.read_models import BoardRef
from tests.chassis.events import CODEC, Counted, CounterView, Named, fold
from tests.chassis.models import SERVICE

pytestmark = pytest.mark.stack

Event = Counted | Named
Store = MemoryEventStore[Event]


def scores(view: CounterView) -> Mapping[str, float | None]:
    """Even totals stand on a board of their own, which a counter may leave again."""
    return {"all": view.total + 0.5, "even": None if view.total % 2 else float(view.total)}


ORDER_BOARDS = BoardRef(SERVICE, "order", CounterView)
ORDER = Ordering(ORDER_BOARDS, fold, scores)


async def count(store: Store, stream: str, by: int) -> History[Event]:
    origin = Origin(str(uuid4()), "body", "correlation", 1)
    await store.append(await store.head(stream), [Counted(by=by)], origin)
    return await store.load(stream)


@pytest.fixture
async def projector(redis: Any, memory_store: Store) -> Projector[Event]:
    projector = Projector(redis, memory_store, SERVICE, (ORDER,))
    await ReadModelWatcher(projector).rebuild_needed()
    return projector


@pytest.fixture
def boards(redis: Any) -> Boards:
    return Boards(ReadModels(redis), ORDER_BOARDS)


async def test_equal_scores_have_equal_ranks(
    memory_store: Store, projector: Projector[Event], boards: Boards
) -> None:
    for name, by in {"a": 5, "b": 7, "c": 5, "d": 1}.items():
        await projector.project(await count(memory_store, f"counter-{name}", by))
    page = await boards.page("all", member="counter-c", limit=10)
    assert [(row.rank, row.ranking_score) for row in page.rows] == [(1, 7), (2, 5), (2, 5), (4, 1)]
    assert (page.total, page.member_rank, page.member_score) == (4, 2, 5.5)
    around = await boards.page("all", member="counter-d", around=True, limit=2)
    assert [(row.rank, row.member) for row in around.rows] == [(2, "counter-a"), (4, "counter-d")]
    assert await boards.lowest("all", max_score=5.5, limit=9) == [
        "counter-d",
        "counter-a",
        "counter-c",
    ]


async def test_a_stranger_has_no_place(projector: Projector[Event], boards: Boards) -> None:
    assert projector.models
    page = await boards.page("all", member="counter-x", around=True, limit=3)
    assert (page.total, page.member_rank, page.rows) == (0, None, ())


async def test_a_board_can_be_left(
    memory_store: Store, projector: Projector[Event], boards: Boards
) -> None:
    await projector.project(await count(memory_store, "counter-a", 2))
    assert (await boards.page("even", limit=1)).total == 1
    await projector.project(await count(memory_store, "counter-a", 1))
    assert (await boards.page("even", limit=1)).total == 0


async def test_a_gap_is_filled_from_what_stands(
    memory_store: Store, projector: Projector[Event], boards: Boards
) -> None:
    await projector.project(await count(memory_store, "counter-a", 2))
    await count(memory_store, "counter-a", 3)
    target = projector.target("order", 1)
    assert target is not None
    assert await projector.catch_up(target, "counter-a")
    assert (await boards.page("all", member="counter-a")).member_score == 5.5


async def test_a_rebuilt_board_is_the_same_and_can_be_verified(
    redis: Any, memory_store: Store, projector: Projector[Event], boards: Boards
) -> None:
    for number in range(40):
        await projector.project(await count(memory_store, f"counter-{number}", number % 7))
    before = await boards.page("all", limit=40)
    progress = await Rebuilder(projector).rebuild("order")
    assert await boards.page("all", limit=40) == before
    inspection = Inspection(projector)
    assert (await inspection.verify("order", progress.generation)).matches
    (key,) = [k for k in await redis.keys("*by:all") if b":2}" in k]
    await redis.zadd(key, {"counter-3": 99})
    parity = await inspection.verify("order", progress.generation)
    assert parity.different == ["counter-3"]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(totals=st.lists(st.integers(0, 6), min_size=1, max_size=12), seed=st.integers(0, 99))
async def test_ranks_are_one_more_than_those_with_more(
    redis: Any, totals: list[int], seed: int
) -> None:
    await redis.flushdb()
    store: Store = MemoryEventStore(CODEC)
    for number, total in enumerate(totals):
        await count(store, f"counter-{number}", total)
    await ReadModelWatcher(Projector(redis, store, SERVICE, (ORDER,))).rebuild_needed()
    boards = Boards(ReadModels(redis), ORDER_BOARDS)
    first = random.Random(seed).randrange(len(totals))
    page = await boards.page("all", first=first, limit=5)
    for row in page.rows:
        assert row.rank == 1 + sum(total > row.ranking_score for total in totals)
    own = await boards.page("all", member="counter-0", around=True, limit=3)
    assert own.member_rank == 1 + sum(total > totals[0] for total in totals)
    assert "counter-0" in [row.member for row in own.rows]


async def test_every_stream_is_told_once_and_whole(memory_store: Store) -> None:
    for round_ in range(3):
        for number in range(90):
            await count(memory_store, f"counter-{number}", round_)
    told = [history async for history in histories(memory_store)]
    assert sorted(history.head.stream for history in told) == sorted(memory_store.streams)
    assert {len(history.commits) for history in told} == {3}


async def test_half_a_stream_is_noticed(memory_store: Store) -> None:
    await count(memory_store, "counter-a", 1)
    await count(memory_store, "counter-a", 1)
    del memory_store.streams["counter-a"][0]
    with pytest.raises(UnknownEvent):
        _ = [history async for history in histories(memory_store)]
