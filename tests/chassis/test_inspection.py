"""Verification finds what is missing and what is wrong, and the past can be looked at."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from chassis.log.event_store import Head, Origin
from chassis.log.memory import MemoryEventStore
from chassis.views.backlog import Backlog
from chassis.views.inspection import Inspection
from chassis.views.keys import plan_key
from chassis.views.projector import Projector
from chassis.views.read_models import ReadModels
from chassis.views.rebuild.watch import ReadModelWatcher
from tests.chassis.events import Counted, CounterView, Named, fold
from tests.chassis.models import COUNTERS, MODELS, NAME_OWNERS, NAMES, SERVICE, read, serve

Event = Counted | Named
Store = MemoryEventStore[Event]


async def append(store: Store, stream: str, *events: Event, at: int = 1) -> None:
    origin = Origin(str(uuid4()), "body", "correlation", at)
    await store.append(await store.head(stream), events, origin)


@pytest.fixture
async def projector(redis: Any, memory_store: Store) -> Projector[Event]:
    for number in range(3):
        stream = f"counter-{number}"
        await append(memory_store, stream, Counted(by=1), Named(name=stream))
    projector = Projector(redis, memory_store, SERVICE, MODELS)
    await ReadModelWatcher(projector).rebuild_needed()
    return projector


@pytest.mark.stack
async def test_what_is_right_is_whole(projector: Projector[Event]) -> None:
    for name in ("counters", "names"):
        parity = await Inspection(projector).verify(name, 1)
        assert parity.matches
        assert (parity.streams, parity.events) == (3, 6)


@pytest.mark.stack
async def test_what_is_not_projected_yet_is_behind(
    memory_store: Store, projector: Projector[Event]
) -> None:
    await append(memory_store, "counter-0", Counted(by=1), Counted(by=1))
    parity = await Inspection(projector).verify("counters", 1)
    assert (parity.lagging_streams, parity.lagging_events) == (1, 2)
    assert parity.lag_seconds > 0
    assert not parity.matches


@pytest.mark.stack
@pytest.mark.parametrize(("name", "field"), [("counters", "d"), ("names", "counter-1")])
async def test_what_is_wrong_is_named(
    redis: Any, projector: Projector[Event], name: str, field: str
) -> None:
    target = projector.target(name, 1)
    assert target is not None
    await redis.hset(target.location("counter-1").data_key, field, b"tampered")
    parity = await Inspection(projector).verify(name, 1)
    assert parity.different == ["counter-1"]


@pytest.mark.stack
async def test_every_state_has_its_word(redis: Any, memory_store: Store) -> None:
    inspection = Inspection(Projector(redis, memory_store, SERVICE, MODELS))

    async def words() -> list[tuple[str, int | None, str]]:
        return [(s.name, s.number, s.state) for s in await inspection.statuses()]

    assert await words() == [("counters", None, "New"), ("names", None, "New")]
    await redis.hset(plan_key(SERVICE, "counters"), "pass", 1)
    await serve(redis, **{"counters:building": 1, "names": 2, "names:previous": 1})
    assert await words() == [
        ("counters", 1, "Booting"), ("names", 1, "Retired"), ("names", 2, "Active")
    ]  # fmt: skip
    await redis.hset(plan_key(SERVICE, "counters"), "pass", 2)
    assert (await words())[0] == ("counters", 1, "Verifying")
    await redis.hset(plan_key(SERVICE, "counters"), "state", "failed")
    assert (await words())[0] == ("counters", 1, "Failed")


@pytest.mark.stack
async def test_lag_is_told_in_events_streams_and_seconds(
    memory_store: Store, projector: Projector[Event]
) -> None:
    inspection = Inspection(projector)
    assert (await inspection.lag("counters", 1)).lagging_events == 0
    await append(memory_store, "counter-0", Counted(by=1), Counted(by=1))
    lag = await inspection.lag("counters", 1)
    assert (lag.streams, lag.lagging_streams, lag.lagging_events) == (3, 1, 2)
    assert lag.seconds > 0


def fragile(view: CounterView | None, event: Event) -> CounterView:
    if isinstance(event, Named) and event.name == "poison":
        raise ValueError("cannot take this")
    return fold(view, event)


@pytest.mark.stack
async def test_a_stream_that_a_fold_cannot_take_stands_still_alone(
    redis: Any, memory_store: Store
) -> None:
    """It is named, nothing else waits for it, and a mended fold takes it up again."""
    broken = replace(COUNTERS, fold=fragile)
    projector = Projector(redis, memory_store, SERVICE, (broken, NAMES))
    await append(memory_store, "counter-old", Counted(by=1), Named(name="poison"))
    await append(memory_store, "counter-good", Counted(by=1))
    await ReadModelWatcher(projector).rebuild_needed()  # met by a scan
    await append(memory_store, "counter-new", Named(name="poison"))
    await projector.project(await memory_store.load("counter-new"))  # and live
    assert await read(redis, "counter-good") == CounterView(total=1, events=1)
    assert await read(redis, "counter-old") is None
    assert await ReadModels(redis).entry(NAME_OWNERS, "poison") == "taken"
    counters, names = await Inspection(projector).statuses()
    assert (counters.state, names.state) == ("Failed", "Active")
    because = "ValueError: cannot take this"
    assert counters.parked == {"counter-old": because, "counter-new": because}
    assert await Backlog(projector).retry_parked() == 0

    mended = Projector(redis, memory_store, SERVICE, MODELS)
    assert await Backlog(mended).retry_parked() == 2
    assert await read(redis, "counter-old") == CounterView(total=1, events=2, name="poison")
    assert [status.state for status in await Inspection(mended).statuses()] == ["Active", "Active"]


async def test_a_stream_can_be_seen_as_it_was(memory_store: Store) -> None:
    for at in (1_000, 2_000, 3_000):
        await append(memory_store, "counter-a", Counted(by=1), Counted(by=1), at=at)
    history = await memory_store.load("counter-a")
    assert history.as_of(version=4).head == Head("counter-a", 4)
    assert history.as_of(version=5).head == Head("counter-a", 4)  # commits are whole
    assert history.as_of(at_ms=2_999).head == Head("counter-a", 4)
    assert history.as_of(at_ms=999).commits == ()
    assert history.as_of() == history
