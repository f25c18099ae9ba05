"""Rebuilt equals live, nothing is served half-built, and an emptied Redis heals unasked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from chassis.event_store import Origin, Page
from chassis.memory import MemoryEventStore
from chassis.projector import Projector
from chassis.read_models import ReadModels, ReadModelsLost
from chassis.rebuild import Rebuilder, RebuildInterrupted, RebuildUnderWay
from tests.chassis.events import CODEC, Counted, CounterView, Named
from tests.chassis.models import MODELS, SERVICE, expected, read, serve
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

Event = Counted | Named


@dataclass
class PausedStore(MemoryEventStore[Event]):
    """Stops between the pages of a scan until it is told to go on."""

    between_pages: asyncio.Event = field(default_factory=asyncio.Event)
    paused: asyncio.Event = field(default_factory=asyncio.Event)

    async def scan(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[Page[Event]]:
        async for page in super().scan(segment=segment, segments=segments, cursor=cursor):
            self.paused.set()
            await self.between_pages.wait()
            yield page


async def append(store: MemoryEventStore[Event], stream: str, *events: Event) -> Any:
    origin = Origin(str(uuid4()), "body", "correlation", 1)
    await store.append(await store.head(stream), events, origin)
    return await store.load(stream)


@pytest.fixture
async def paused() -> PausedStore:
    return PausedStore(CODEC)


def rebuilder(redis: Any, store: MemoryEventStore[Event]) -> Rebuilder[Event]:
    return Rebuilder(Projector(redis, store, SERVICE, MODELS))


async def test_readers_are_told_of_a_loss_not_of_a_miss(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    await append(memory_store, "counter-a", Counted(by=1))
    reader = ReadModels(redis, SERVICE)
    with pytest.raises(ReadModelsLost, match="counters of counting"):
        await reader.document("counters", "counter-a")
    await rebuilder(redis, memory_store).heal()
    assert await reader.document("counters", "counter-a")
    await redis.flushdb()  # the reader still believes in the generation that it has seen
    with pytest.raises(ReadModelsLost):
        await reader.document("counters", "counter-a")
    with pytest.raises(ReadModelsLost):
        await reader.entry("names", "n")


async def test_a_rebuilt_read_model_equals_the_fold_of_the_log(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    streams = [f"counter-{number}" for number in range(150)]
    for stream in streams:
        await append(memory_store, stream, Counted(by=1), Named(name=stream))
        await append(memory_store, stream, Counted(by=2))
    await rebuilder(redis, memory_store).heal()
    for stream in streams:
        assert await read(redis, stream) == await expected(memory_store, stream)
        assert await ReadModels(redis, SERVICE).entry("names", stream) == "taken"


async def test_writes_during_a_rebuild_are_in_both_generations(
    redis: Any, paused: PausedStore
) -> None:
    await serve(redis, counters=1, names=1)
    live = Projector(redis, paused, SERVICE, MODELS)
    await live.project(await append(paused, "counter-a", Counted(by=1)))
    building = asyncio.create_task(rebuilder(redis, paused).rebuild("counters"))
    await paused.paused.wait()
    await live.project(await append(paused, "counter-a", Counted(by=1)))
    await live.project(await append(paused, "counter-new", Counted(by=1)))
    assert await read(redis, "counter-new") == CounterView(total=1, events=1)
    paused.between_pages.set()
    assert (await building).generation == 2
    assert await read(redis, "counter-a") == CounterView(total=2, events=2)
    assert await read(redis, "counter-new") == CounterView(total=1, events=1)


async def test_until_the_switch_the_old_generation_is_served(
    redis: Any, paused: PausedStore
) -> None:
    await serve(redis, counters=1, names=1)
    live = Projector(redis, paused, SERVICE, MODELS)
    await live.project(await append(paused, "counter-a", Counted(by=1)))
    building = asyncio.create_task(rebuilder(redis, paused).rebuild("counters"))
    await paused.paused.wait()
    assert await read(redis, "counter-a") == CounterView(total=1, events=1)
    building.cancel()
    await asyncio.wait([building])
    assert await read(redis, "counter-a") == CounterView(total=1, events=1)
    paused.between_pages.set()
    assert (await rebuilder(redis, paused).rebuild("counters")).generation == 3


async def test_a_reader_that_holds_the_old_generation_finds_the_new_one(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    await append(memory_store, "counter-a", Counted(by=1))
    await rebuilder(redis, memory_store).heal()
    reader = ReadModels(redis, SERVICE)
    assert await reader.document("counters", "counter-a")
    await rebuilder(redis, memory_store).rebuild("counters")
    assert await reader.document("counters", "counter-a")
    left = [key async for key in redis.scan_iter(match=f"{SERVICE}:{{counters:1*")]
    assert left == []


async def test_only_one_process_rebuilds_a_read_model(redis: Any, paused: PausedStore) -> None:
    first = asyncio.create_task(rebuilder(redis, paused).rebuild("counters"))
    await paused.paused.wait()
    with pytest.raises(RebuildUnderWay, match="another process"):
        await rebuilder(redis, paused).rebuild("counters")
    paused.between_pages.set()
    assert (await first).generation == 1


async def test_a_rebuild_whose_redis_was_emptied_switches_nothing(
    redis: Any, paused: PausedStore
) -> None:
    await append(paused, "counter-a", Counted(by=1))
    building = asyncio.create_task(rebuilder(redis, paused).rebuild("counters"))
    await paused.paused.wait()
    await redis.flushdb()
    paused.between_pages.set()
    with pytest.raises(RebuildInterrupted):
        await building
    with pytest.raises(ReadModelsLost):
        await read(redis, "counter-a")


async def test_an_emptied_redis_heals_unasked(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    healer = rebuilder(redis, memory_store)
    await append(memory_store, "counter-a", Counted(by=1))
    watching = asyncio.create_task(healer.watch())
    try:
        await _served(redis, "counter-a")
        await redis.flushdb()
        await healer.projector.project(await append(memory_store, "counter-a", Counted(by=1)))
        assert await _served(redis, "counter-a") == CounterView(total=2, events=2)
    finally:
        watching.cancel()
        await asyncio.wait([watching])


async def _served(redis: Any, stream: str) -> CounterView | None:
    async def look() -> CounterView | None:
        with contextlib.suppress(ReadModelsLost):
            return await read(redis, stream)
        return None

    return await eventually(look)


async def test_an_unknown_read_model_is_refused(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    with pytest.raises(KeyError, match="melons"):
        await rebuilder(redis, memory_store).rebuild("melons")
