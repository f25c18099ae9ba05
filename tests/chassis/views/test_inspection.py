"""Inspection finds what is missing, what is wrong, and which streams are parked."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from chassis.log.event_store import Head, History
from chassis.log.memory import MemoryEventStore
from chassis.views.backlog import Backlog
from chassis.views.inspection import Inspection
from chassis.views.keys import plan_key
from chassis.views.projector import Projector
from chassis.views.read_models import ReadModels
from chassis.views.rebuild.run import Rebuilder
from chassis.views.rebuild.watch import ReadModelWatcher
from tests.chassis.appending import append
from tests.chassis.events import CODEC, Counted, CounterView, Named, fold
from tests.chassis.models import COUNTERS, MODELS, NAME_OWNERS, NAMES, SERVICE, read, serve
from tests.chassis.views.test_boards import ORDER
from tests.chassis.views.test_lists import LISTING

pytestmark = pytest.mark.stack

Event = Counted | Named
Store = MemoryEventStore[Event]


@pytest.fixture
async def projector(redis: Any, memory_store: Store) -> Projector[Event]:
    for number in range(3):
        stream = f"counter-{number}"
        await append(memory_store, stream, Counted(by=1), Named(name=stream))
    projector = Projector(redis, memory_store, SERVICE, MODELS)
    await ReadModelWatcher(projector).rebuild_needed()
    return projector


async def test_a_correct_read_model_matches_the_log(projector: Projector[Event]) -> None:
    for name in ("counters", "names"):
        parity = await Inspection(projector).verify(name, 1)
        assert parity.matches
        assert (parity.streams, parity.events) == (3, 6)


async def test_a_stream_that_is_not_projected_yet_lags(
    memory_store: Store, projector: Projector[Event]
) -> None:
    await append(memory_store, "counter-0", Counted(by=1), Counted(by=1))
    parity = await Inspection(projector).verify("counters", 1)
    assert (parity.lagging_streams, parity.lagging_events) == (1, 2)
    assert parity.lag_seconds > 0
    assert not parity.matches


@pytest.mark.parametrize(("name", "field"), [("counters", "d"), ("names", "counter-1")])
async def test_a_wrong_document_is_reported_by_its_stream(
    redis: Any, projector: Projector[Event], name: str, field: str
) -> None:
    target = projector.target(name, 1)
    assert target is not None
    await redis.hset(target.location("counter-1").data_key, field, b"tampered")
    parity = await Inspection(projector).verify(name, 1)
    assert parity.different == ["counter-1"]


async def test_every_generation_has_a_state(redis: Any, memory_store: Store) -> None:
    inspection = Inspection(Projector(redis, memory_store, SERVICE, MODELS))

    async def states() -> list[tuple[str, int | None, str]]:
        return [(s.name, s.number, s.state) for s in await inspection.statuses()]

    assert await states() == [("counters", None, "New"), ("names", None, "New")]
    await redis.hset(plan_key(SERVICE, "counters"), "pass", 1)
    await serve(redis, **{"counters:building": 1, "names": 2, "names:previous": 1})
    assert await states() == [
        ("counters", 1, "Booting"), ("names", 1, "Retired"), ("names", 2, "Active")
    ]  # fmt: skip
    await redis.hset(plan_key(SERVICE, "counters"), "pass", 2)
    assert (await states())[0] == ("counters", 1, "Verifying")
    await redis.hset(plan_key(SERVICE, "counters"), "state", "failed")
    assert (await states())[0] == ("counters", 1, "Failed")


async def test_lag_is_reported_in_events_streams_and_seconds(
    memory_store: Store, projector: Projector[Event]
) -> None:
    inspection = Inspection(projector)
    assert (await inspection.lag("counters", 1)).lagging_events == 0
    await append(memory_store, "counter-0", Counted(by=1), Counted(by=1))
    lag = await inspection.lag("counters", 1)
    assert (lag.streams, lag.lagging_streams, lag.lagging_events) == (3, 1, 2)
    assert lag.seconds > 0


ALL = (*MODELS, ORDER, LISTING)


async def test_read_models_that_are_ahead_of_a_restored_log_are_reported_and_rebuilt(
    redis: Any, memory_store: Store
) -> None:
    """The restored log has fewer events of one stream, and nothing of another one."""
    for number in range(3):
        stream = f"counter-{number}"
        await append(memory_store, stream, Counted(by=1), Named(name=stream))
    restored = MemoryEventStore(CODEC)
    for stream in ("counter-0", "counter-1"):
        for commit in (await memory_store.load(stream)).commits:
            await restored.append(Head(stream, commit.first - 1), commit.events, commit.origin)
    await append(memory_store, "counter-1", Counted(by=5))
    await ReadModelWatcher(Projector(redis, memory_store, SERVICE, ALL)).rebuild_needed()

    projector = Projector(redis, restored, SERVICE, ALL)
    inspection = Inspection(projector)
    for model in ALL:
        async with asyncio.timeout(20):
            parity = await inspection.verify(model.name, 1)
        assert sorted(parity.ahead) == ["counter-1", "counter-2"], model.name
        assert not parity.matches
        lag = await inspection.lag(model.name, 1)
        assert (lag.streams, lag.lagging_streams, lag.ahead_streams) == (2, 0, 2), model.name
        await Rebuilder(projector).rebuild(model.name)
        assert (await inspection.verify(model.name, 2)).matches


async def test_read_models_that_are_ahead_of_a_restored_log_do_not_swallow_its_events(
    redis: Any, memory_store: Store
) -> None:
    """Without a rebuild: each stream equals the restored log after its next event."""
    origin = await append(memory_store, "counter-0", Counted(by=1), Named(name="kept"))
    restored = MemoryEventStore(CODEC)
    for commit in origin.commits:
        await restored.append(Head("counter-0", commit.first - 1), commit.events, commit.origin)
    for lost in ("x", "y"):
        await append(memory_store, "counter-0", Counted(by=5), Named(name=lost))
    await append(memory_store, "counter-1", Counted(by=5), Counted(by=6))
    await ReadModelWatcher(Projector(redis, memory_store, SERVICE, ALL)).rebuild_needed()

    projector = Projector(redis, restored, SERVICE, ALL)
    await projector.project(await append(restored, "counter-0", Counted(by=2)))
    # as many events as before the restore, of another history
    await projector.project(await append(restored, "counter-1", Counted(by=1), Counted(by=1)))
    assert await read(redis, "counter-0") == CounterView(total=3, events=3, name="kept")
    assert await read(redis, "counter-1") == CounterView(total=2, events=2)
    for model in (COUNTERS, ORDER, LISTING):
        assert (await Inspection(projector).verify(model.name, 1)).matches, model.name


async def test_a_stream_that_is_written_during_a_comparison_is_not_ahead(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    class WrittenMeanwhile(MemoryEventStore[Event]):
        async def load(self, stream: str, *, after: int = 0) -> History[Event]:
            history = await super().load(stream, after=after)
            if history.head.version < 7:
                await projector.project(await append(memory_store, stream, Counted(by=1)))
            return history

    store = WrittenMeanwhile(CODEC, memory_store.streams)
    parity = await Inspection(Projector(redis, store, SERVICE, MODELS)).verify("counters", 1)
    assert parity.matches, parity


def fragile(view: CounterView | None, event: Event) -> CounterView:
    if isinstance(event, Named) and event.name == "poison":
        raise ValueError("cannot fold this")
    return fold(view, event)


async def test_a_stream_whose_fold_fails_is_parked_and_retried(
    redis: Any, memory_store: Store
) -> None:
    """Other streams continue, and a corrected fold projects it."""
    broken = replace(COUNTERS, fold=fragile)
    projector = Projector(redis, memory_store, SERVICE, (broken, NAMES))
    await append(memory_store, "counter-old", Counted(by=1), Named(name="poison"))
    await append(memory_store, "counter-good", Counted(by=1))
    await ReadModelWatcher(projector).rebuild_needed()  # found by a scan
    await append(memory_store, "counter-new", Named(name="poison"))
    await projector.project(await memory_store.load("counter-new"))  # and by live projection
    assert await read(redis, "counter-good") == CounterView(total=1, events=1)
    assert await read(redis, "counter-old") is None
    assert await ReadModels(redis).entry(NAME_OWNERS, "poison") == "taken"
    counters, names = await Inspection(projector).statuses()
    assert (counters.state, names.state) == ("Failed", "Active")
    because = "ValueError: cannot fold this"
    assert counters.parked == {"counter-old": because, "counter-new": because}
    assert await Backlog(projector).retry_parked() == 0

    corrected = Projector(redis, memory_store, SERVICE, MODELS)
    assert await Backlog(corrected).retry_parked() == 2
    assert await read(redis, "counter-old") == CounterView(total=1, events=2, name="poison")
    assert [status.state for status in await Inspection(corrected).statuses()] == [
        "Active",
        "Active",
    ]
