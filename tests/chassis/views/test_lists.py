"""Lists grow with their stream, are changed item by item, and equal the fold of the log."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.log.memory import MemoryEventStore
from chassis.views.change import Target
from chassis.views.inspection import Inspection
from chassis.views.keys import document_key
from chassis.views.lists import Lists
from chassis.views.projection import BoardMember, Listing, ListState
from chassis.views.projector import Projector
from chassis.views.read_models import ReadModels, ReadModelsLost
from chassis.views.rebuild.retirement import delete_retired
from chassis.views.rebuild.run import Rebuilder
from contracts.messages import View
from contracts.read_models import ListRef
from tests.chassis.appending import append
from tests.chassis.events import CODEC, Counted, Named
from tests.chassis.models import SERVICE, serve

Event = Counted | Named
Store = MemoryEventStore[Event]


class NamesView(View):
    names: int = 0
    total: int = 0


class NameItem(View):
    name: str
    times: int
    position: int


State = ListState[NamesView, NameItem]


def touched(event: Event) -> Sequence[str]:
    return (event.name,) if isinstance(event, Named) else ()


def fold(state: State, event: Event) -> State:
    """A name is listed at its first use, moves up at its second and is removed at its third."""
    summary = state.summary or NamesView()
    if isinstance(event, Counted):
        return state._replace(summary=summary.model_copy(update={"total": summary.total + 1}))
    summary = summary.model_copy(update={"names": summary.names + 1})
    known = state.items.get(event.name)
    if known is not None and known.times == 2:
        return State(summary, {})
    times = known.times + 1 if known else 1
    item = NameItem(name=event.name, times=times, position=summary.names)
    return State(summary, {event.name: item})


def scores(item: NameItem) -> Mapping[str, float]:
    order = "once" if item.times == 1 else "twice"
    return {"all": item.position, order: item.position}


USED_NAMES = ListRef(SERVICE, "used-names", NamesView, NameItem)
LISTING = Listing(USED_NAMES, touched, fold, scores)
ORDERS = ("all", "once", "twice")
STREAM = "counter-a"


@pytest.fixture
async def projector(redis: Any, memory_store: Store) -> Projector[Event]:
    await serve(redis, **{"used-names": 1})
    return Projector(redis, memory_store, SERVICE, (LISTING,))


async def test_a_page_holds_the_summary_and_the_newest_items(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    for name in "abcab":
        await projector.project(await append(memory_store, STREAM, Named(name=name)))
    lists = Lists(ReadModels(redis), USED_NAMES)
    page = await lists.page(STREAM, "all", limit=2)
    assert [row.item_id for row in page.items] == ["b", "a"]
    assert page.total == 3
    assert page.summary is not None
    assert (page.summary.view, page.summary.version) == (NamesView(names=5), 5)
    rest = await lists.page(STREAM, "all", after=page.next, limit=2)
    assert [row.view for row in rest.items] == [NameItem(name="c", times=1, position=3)]
    assert rest.next is None
    oldest = await lists.page(STREAM, "all", limit=2, descending=False)
    assert [row.item_id for row in oldest.items] == ["c", "a"]
    newer = await lists.page(STREAM, "all", after=oldest.next, limit=2, descending=False)
    assert [row.item_id for row in newer.items] == ["b"]
    assert [row.item_id for row in (await lists.page(STREAM, "once", limit=9)).items] == ["c"]


async def test_one_item_and_the_summary_are_read_alone(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    await projector.project(await append(memory_store, STREAM, Named(name="a"), Counted(by=1)))
    lists = Lists(ReadModels(redis), USED_NAMES)
    assert await lists.item(STREAM, "a") == NameItem(name="a", times=1, position=1)
    assert await lists.item(STREAM, "b") is None
    document = await lists.summary(STREAM)
    assert document is not None
    assert document.view == NamesView(names=1, total=1)


async def test_a_stream_without_events_has_no_list(redis: Any) -> None:
    await serve(redis, **{"used-names": 1})
    lists = Lists(ReadModels(redis), USED_NAMES)
    page = await lists.page(STREAM, "all", limit=2)
    assert (page.summary, page.items, page.total, page.next) == (None, (), 0, None)
    assert await lists.summary(STREAM) is None
    await redis.flushdb()
    with pytest.raises(ReadModelsLost):
        await Lists(ReadModels(redis), USED_NAMES).page(STREAM, "all", limit=2)


async def test_a_list_is_read_from_a_new_generation_at_once(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    await projector.project(await append(memory_store, STREAM, Named(name="a")))
    lists = Lists(ReadModels(redis), USED_NAMES)
    assert (await lists.page(STREAM, "all", limit=1)).total == 1
    await Rebuilder(projector).rebuild("used-names")
    await redis.hdel(f"{{{SERVICE}}}:generations", "used-names:previous")
    await delete_retired(Rebuilder(projector).plans, "used-names")
    assert (await lists.page(STREAM, "all", limit=1)).total == 1
    assert [key async for key in redis.scan_iter(match="*used-names:1*")] == []


async def test_a_wrong_item_or_order_is_found_by_a_comparison_with_the_log(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    await projector.project(await append(memory_store, STREAM, Named(name="a"), Named(name="b")))
    assert (await Inspection(projector).verify("used-names", 1)).matches
    key = document_key(SERVICE, "used-names", 1, STREAM)
    await redis.zadd(f"{key}:by:all", {"a": 7})
    assert (await Inspection(projector).verify("used-names", 1)).different == [STREAM]


def test_an_item_that_is_not_touched_cannot_be_changed() -> None:
    careless = replace(LISTING, touched=lambda _event: ())
    with pytest.raises(ValueError, match="does not touch"):
        careless.changes(STREAM, [Named(name="a")], {})


# Names repeat often enough to be listed, moved and removed; None counts.
events = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=24)


@settings(max_examples=200)
@given(names=events, cuts=st.sets(st.integers(1, 23)))
def test_folding_in_parts_makes_the_same_list(names: list[str | None], cuts: set[int]) -> None:
    every = [_event(name) for name in names]
    stored: dict[str | BoardMember, Any] = {}
    ends = [0, *sorted(cut for cut in cuts if cut < len(every)), len(every)]
    for start, end in pairwise(ends):
        part = every[start:end]
        needed = {name: stored[name] for name in LISTING.needs(STREAM, part) if stored.get(name)}
        _apply(stored, LISTING.changes(STREAM, part, needed))
    at_once: dict[str | BoardMember, Any] = {}
    _apply(at_once, LISTING.changes(STREAM, every, {}))
    assert stored == at_once


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=events, projected=st.sets(st.integers(0, 23)), after=st.integers(0, 23))
async def test_a_stored_list_equals_the_fold_however_the_stream_arrives(
    redis: Any, names: list[str | None], projected: set[int], after: int
) -> None:
    """Some commits are projected at once, some are left out; the last arrives as a tail."""
    await redis.flushdb()
    await serve(redis, **{"used-names": 1})
    store: Store = MemoryEventStore(CODEC)
    projector = Projector(redis, store, SERVICE, (LISTING,))
    for number, name in enumerate(names):
        history = await append(store, STREAM, _event(name))
        if number in projected:
            await projector.project(history)
    await projector.project(await store.load(STREAM, after=min(after, len(names) - 1)))
    expected: dict[str | BoardMember, Any] = {}
    _apply(expected, LISTING.changes(STREAM, history.events, {}))
    assert await _stored(redis) == expected


def _event(name: str | None) -> Event:
    return Counted(by=1) if name is None else Named(name=name)


def _apply(stored: dict[str | BoardMember, Any], changes: Mapping[Any, Any]) -> None:
    for name, value in changes.items():
        if value is None:
            stored.pop(name, None)
        else:
            stored[name] = value


async def _stored(redis: Any) -> dict[str | BoardMember, Any]:
    key = Target(SERVICE, LISTING, 1).location(STREAM).data_key
    found: dict[str | BoardMember, Any] = {
        name.decode(): value for name, value in (await redis.hgetall(key)).items()
    }
    del found["v"], found["f"]
    for order in ORDERS:
        for member, score in await redis.zrange(f"{key}:by:{order}", 0, -1, withscores=True):
            found[BoardMember(order, member.decode())] = score
    return found
