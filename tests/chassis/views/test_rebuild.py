"""A rebuilt read model equals the live one, and no incomplete generation is ever served."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
from structlog.testing import capture_logs

from chassis.log.codec import Codec
from chassis.log.event_store import Page
from chassis.log.memory import PAGE_COMMITS, MemoryEventStore
from chassis.views.backlog import Backlog
from chassis.views.inspection import Inspection
from chassis.views.keys import control_key, document_key, generation_of, keys_of
from chassis.views.projection import ReadModel
from chassis.views.projector import Projector
from chassis.views.read_models import ReadModels, ReadModelsLost
from chassis.views.rebuild.control import RebuildControl
from chassis.views.rebuild.plan import RebuildInterrupted, RebuildPlans
from chassis.views.rebuild.progress import RebuildProgress
from chassis.views.rebuild.run import Rebuilder
from chassis.views.rebuild.watch import ReadModelWatcher
from tests.chassis.appending import append
from tests.chassis.events import CODEC, Counted, CounterView, Named, fold
from tests.chassis.models import (
    COUNTER_VIEWS,
    COUNTERS,
    MODELS,
    NAME_OWNERS,
    NAMES,
    SERVICE,
    fold_log,
    read,
    serve,
)
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

Event = Counted | Named


@dataclass
class PausedStore(MemoryEventStore[Event]):
    """Pauses between the pages of a scan until an event is set."""

    between_pages: asyncio.Event = field(default_factory=asyncio.Event)
    paused: asyncio.Event = field(default_factory=asyncio.Event)

    async def scan(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[Page[Event]]:
        async for page in super().scan(segment=segment, segments=segments, cursor=cursor):
            self.paused.set()
            await self.between_pages.wait()
            yield page


@dataclass
class FailingStore(MemoryEventStore[Event]):
    """Counts the pages that are read, and fails after a number of them."""

    pages_left: int | None = None
    pages_read: int = 0

    async def scan(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[Page[Event]]:
        async for page in super().scan(segment=segment, segments=segments, cursor=cursor):
            if self.pages_read == self.pages_left:
                raise OSError("killed")
            self.pages_read += 1
            yield page


@pytest.fixture
async def paused() -> PausedStore:
    return PausedStore(CODEC)


@dataclass(frozen=True)
class Instance:
    """An instance of a service, reduced to its read models."""

    projector: Projector[Event]

    @property
    def watcher(self) -> ReadModelWatcher[Event]:
        return ReadModelWatcher(self.projector)

    @property
    def control(self) -> RebuildControl:
        return RebuildControl(Rebuilder(self.projector).plans)

    @property
    def inspection(self) -> Inspection[Event]:
        return Inspection(self.projector)

    @property
    def backlog(self) -> Backlog[Event]:
        return Backlog(self.projector)

    async def rebuild(self, name: str, **options: Any) -> RebuildProgress:
        return await Rebuilder(self.projector).rebuild(name, **options)


def instance(
    redis: Any, store: MemoryEventStore[Event], models: Sequence[ReadModel[Event]] = MODELS
) -> Instance:
    return Instance(Projector(redis, store, SERVICE, models))


async def test_all_read_models_of_a_service_are_rebuilt_by_one_scan(redis: Any) -> None:
    store = FailingStore(CODEC)
    for number in range(3 * PAGE_COMMITS):
        await append(store, f"counter-{number}", Counted(by=1))
    pages = 0
    for segment in range(4):
        async for _ in MemoryEventStore.scan(store, segment=segment, segments=4):
            pages += 1
    service = instance(redis, store)
    await service.watcher.rebuild_needed()
    assert store.pages_read == pages
    for name, generation in (await service.inspection.served()).items():
        assert (await service.inspection.verify(name, generation)).matches, name


async def test_a_lost_read_model_is_an_error_and_not_a_miss(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    await append(memory_store, "counter-a", Counted(by=1))
    reader = ReadModels(redis)
    with pytest.raises(ReadModelsLost, match="counters of counting"):
        await reader.document(COUNTER_VIEWS, "counter-a")
    await instance(redis, memory_store).watcher.rebuild_needed()
    assert await reader.document(COUNTER_VIEWS, "counter-a")
    await redis.flushdb()  # the reader still has the generation in its cache
    with pytest.raises(ReadModelsLost):
        await reader.document(COUNTER_VIEWS, "counter-a")
    with pytest.raises(ReadModelsLost):
        await reader.entry(NAME_OWNERS, "n")


async def test_a_rebuilt_read_model_equals_the_fold_of_the_log(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    streams = [f"counter-{number}" for number in range(150)]
    for stream in streams:
        await append(memory_store, stream, Counted(by=1), Named(name=stream))
        await append(memory_store, stream, Counted(by=2))
    await instance(redis, memory_store).watcher.rebuild_needed()
    for stream in streams:
        assert await read(redis, stream) == await fold_log(memory_store, stream)
        assert await ReadModels(redis).entry(NAME_OWNERS, stream) == "taken"


async def test_writes_during_a_rebuild_are_in_both_generations(
    redis: Any, paused: PausedStore
) -> None:
    await serve(redis, counters=1, names=1)
    live = Projector(redis, paused, SERVICE, MODELS)
    await live.project(await append(paused, "counter-a", Counted(by=1)))
    building = asyncio.create_task(instance(redis, paused).rebuild("counters"))
    await paused.paused.wait()
    await live.project(await append(paused, "counter-a", Counted(by=1)))
    await live.project(await append(paused, "counter-new", Counted(by=1)))
    assert await read(redis, "counter-new") == CounterView(total=1, events=1)
    paused.between_pages.set()
    assert (await building).generation == 2
    assert await read(redis, "counter-a") == CounterView(total=2, events=2)
    assert await read(redis, "counter-new") == CounterView(total=1, events=1)


async def test_the_old_generation_is_served_until_the_switch(
    redis: Any, paused: PausedStore
) -> None:
    await serve(redis, counters=1, names=1)
    live = Projector(redis, paused, SERVICE, MODELS)
    await live.project(await append(paused, "counter-a", Counted(by=1)))
    building = asyncio.create_task(instance(redis, paused).rebuild("counters"))
    await paused.paused.wait()
    assert await read(redis, "counter-a") == CounterView(total=1, events=1)
    building.cancel()
    await asyncio.wait([building])
    assert await read(redis, "counter-a") == CounterView(total=1, events=1)
    paused.between_pages.set()
    assert (await instance(redis, paused).rebuild("counters")).generation == 2


async def test_a_reader_that_cached_the_old_generation_finds_the_new_one(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    await append(memory_store, "counter-a", Counted(by=1))
    await instance(redis, memory_store).watcher.rebuild_needed()
    reader = ReadModels(redis)
    assert await reader.document(COUNTER_VIEWS, "counter-a")
    await instance(redis, memory_store).rebuild("counters")
    assert await reader.document(COUNTER_VIEWS, "counter-a")
    await instance(redis, memory_store).rebuild("counters")
    assert await reader.document(COUNTER_VIEWS, "counter-a")
    left = [key async for key in redis.scan_iter(match=f"{SERVICE}:{{counters:1*")]
    assert left == []  # one generation is kept for a rollback, not two


async def test_several_processes_share_a_rebuild(redis: Any, paused: PausedStore) -> None:
    for number in range(20):
        await append(paused, f"counter-{number}", Counted(by=1))
    first = asyncio.create_task(instance(redis, paused).rebuild("counters", segments=2))
    await paused.paused.wait()
    with capture_logs() as logs:
        second = asyncio.create_task(instance(redis, paused).rebuild("counters"))

        async def joined() -> bool:
            return any(line.get("how") == "joined" for line in logs)

        await eventually(joined)
        paused.between_pages.set()
        one, two = await asyncio.gather(first, second)
    assert (one.generation, two.generation) == (1, 1)
    assert one.commits == two.commits == 20
    assert await read(redis, "counter-19") == CounterView(total=1, events=1)


async def test_a_rebuild_continues_at_its_checkpoint_after_a_crash(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    """The process dies after two of three pages."""
    for number in range(2 * PAGE_COMMITS + 1):
        await append(memory_store, f"counter-{number:03}", Counted(by=1))
    dying = FailingStore(CODEC, streams=memory_store.streams, pages_left=2)
    with pytest.raises(OSError, match="killed"):
        await instance(redis, dying).rebuild("counters", segments=1)
    with pytest.raises(ReadModelsLost):
        await read(redis, "counter-000")
    continuing = FailingStore(CODEC, streams=memory_store.streams)
    done = await instance(redis, continuing).rebuild("counters")
    assert continuing.pages_read == 1
    assert (done.generation, done.commits) == (1, 2 * PAGE_COMMITS + 1)
    for stream in ("counter-000", "counter-200"):
        assert await read(redis, stream) == CounterView(total=1, events=1)


async def test_an_abandoned_rebuild_is_completed_by_the_watcher(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    await append(memory_store, "counter-a", Counted(by=1))
    await instance(redis, memory_store).watcher.rebuild_needed()
    dying = FailingStore(CODEC, streams=memory_store.streams, pages_left=0)
    with pytest.raises(OSError, match="killed"):
        await instance(redis, dying).rebuild("counters", segments=1)
    service = instance(redis, memory_store)
    assert await service.watcher.needed() == ["counters"]
    await service.watcher.rebuild_needed()
    assert await service.inspection.served() == {"counters": 2, "names": 1}


async def test_a_rebuild_can_be_paused_resumed_and_cancelled(
    redis: Any, paused: PausedStore
) -> None:
    await append(paused, "counter-a", Counted(by=1))
    operator = instance(redis, paused)
    assert not await operator.control.set_state("counters", "paused")  # nothing is being built
    building = asyncio.create_task(instance(redis, paused).rebuild("counters"))
    await paused.paused.wait()
    assert await operator.control.set_state("counters", "paused")
    paused.between_pages.set()
    assert await operator.watcher.needed() == [
        "counters",
        "names",
    ]  # not served yet, and not abandoned
    assert await operator.control.set_state("counters", "running")
    assert (await building).generation == 1

    paused.between_pages.clear()
    paused.paused.clear()
    building = asyncio.create_task(instance(redis, paused).rebuild("counters"))
    await paused.paused.wait()
    assert await operator.control.set_state("counters", "cancelled")
    paused.between_pages.set()
    with pytest.raises(RebuildInterrupted):
        await building
    assert await read(redis, "counter-a") == CounterView(total=1, events=1)
    assert [key async for key in redis.scan_iter(match=f"{SERVICE}:{{counters:2*")] == []


async def test_a_rollback_serves_the_previous_generation_up_to_date(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    service = instance(redis, memory_store)
    await append(memory_store, "counter-a", Counted(by=1))
    await service.watcher.rebuild_needed()
    assert await service.control.rollback("counters") is None
    await service.rebuild("counters")
    await service.projector.project(await append(memory_store, "counter-a", Counted(by=1)))
    assert await service.control.rollback("counters") == 1
    assert await read(redis, "counter-a") == CounterView(total=2, events=2)
    assert await service.control.rollback("counters") == 2
    await service.rebuild("counters")
    left = {generation_of(k) async for k in redis.scan_iter(match=f"{SERVICE}:{{counters:*")}
    assert left == {2, 3}


async def test_a_dry_run_serves_nothing(redis: Any, memory_store: MemoryEventStore[Event]) -> None:
    await append(memory_store, "counter-a", Counted(by=1))
    service = instance(redis, memory_store)
    await service.watcher.rebuild_needed()
    built = await service.rebuild("counters", switch=False)
    assert (await service.inspection.verify("counters", built.generation)).matches
    assert await service.watcher.needed() == []
    assert await service.control.set_state("counters", "cancelled")
    assert await service.inspection.served() == {"counters": 1, "names": 1}


async def test_a_changed_fold_is_built_in_parallel_and_switched(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    """A newer version of the service starts, with another fold of the same read model."""
    old = instance(redis, memory_store)
    await old.projector.project(await append(memory_store, "counter-a", Counted(by=1)))
    await old.watcher.rebuild_needed()
    newer = replace(COUNTERS, fold=double, version=2)
    new = instance(redis, memory_store, (newer, NAMES))
    assert await new.watcher.needed() == ["counters"]
    await new.watcher.rebuild_needed()
    assert await read(redis, "counter-a") == CounterView(total=2, events=1)
    assert await old.watcher.needed() == []  # the older instance does not replace it
    assert await new.watcher.needed() == []


async def test_two_versions_side_by_side_project_each_others_commits(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    old = instance(redis, memory_store)
    await old.watcher.rebuild_needed()
    newer = replace(COUNTERS, fold=double, version=2)
    new = instance(redis, memory_store, (newer, NAMES))
    await new.watcher.rebuild_needed()
    await old.projector.project(await append(memory_store, "counter-a", Counted(by=1)))
    assert await read(redis, "counter-a") is None  # appended by an instance of the old version
    assert await new.backlog.project_pending() == 1
    assert await read(redis, "counter-a") == CounterView(total=2, events=1)
    assert await new.backlog.project_pending() == 0


def double(view: CounterView | None, event: Event) -> CounterView:
    view = fold(view, event)
    return view.model_copy(update={"total": view.total * 2}) if isinstance(event, Counted) else view


async def test_a_rebuild_switches_nothing_after_redis_was_emptied(
    redis: Any, paused: PausedStore
) -> None:
    await append(paused, "counter-a", Counted(by=1))
    building = asyncio.create_task(instance(redis, paused).rebuild("counters"))
    await paused.paused.wait()
    await redis.flushdb()
    paused.between_pages.set()
    with pytest.raises(RebuildInterrupted):
        await building
    with pytest.raises(ReadModelsLost):
        await read(redis, "counter-a")


async def test_the_watcher_rebuilds_after_redis_was_emptied(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    service = instance(redis, memory_store)
    await append(memory_store, "counter-a", Counted(by=1))
    watching = asyncio.create_task(service.watcher.run())
    try:
        await _served(redis, "counter-a")
        await redis.flushdb()
        await service.projector.project(await append(memory_store, "counter-a", Counted(by=1)))
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


class IncompleteScan(MemoryEventStore[Event]):
    """Misses a stream in scans, as an eventually consistent scan may."""

    async def scan(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[Page[Event]]:
        async for page in super().scan(segment=segment, segments=segments, cursor=cursor):
            kept = tuple(commit for commit in page.commits if commit.stream != "counter-missed")
            yield replace(page, commits=kept)


async def test_a_sweep_repairs_what_a_scan_missed(redis: Any) -> None:
    store = IncompleteScan(CODEC)
    await append(store, "counter-a", Counted(by=1))
    await append(store, "counter-missed", Counted(by=1))
    done = await instance(redis, store).rebuild("counters")
    assert (done.commits, done.repaired) == (1, 1)
    assert await read(redis, "counter-missed") == CounterView(total=1, events=1)


async def test_a_generation_that_differs_from_the_log_is_never_served(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    """The fold is not a function of the events; the sample that is compared detects it."""
    await append(memory_store, "counter-a", Counted(by=1))
    await instance(redis, memory_store).watcher.rebuild_needed()
    folds = count(1)
    random_fold = replace(COUNTERS, fold=lambda _view, _event: CounterView(total=next(folds)))
    wrong = instance(redis, memory_store, (random_fold, NAMES))
    with pytest.raises(RebuildInterrupted, match="counter-a differs from the log"):
        await wrong.rebuild("counters")
    inspection = wrong.inspection
    assert await inspection.served() == {"counters": 1, "names": 1}
    assert "Failed" in [status.state for status in await inspection.statuses()]
    assert await wrong.watcher.needed() == []  # not tried again and again
    corrected = instance(redis, memory_store)
    assert (await corrected.rebuild("counters")).generation == 3
    assert await read(redis, "counter-a") == CounterView(total=1, events=1)


async def test_an_unreadable_event_parks_its_stream(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    await append(memory_store, "counter-a", Counted(by=1))
    await append(memory_store, "counter-b", Counted(by=1), Named(name="n"))
    older: MemoryEventStore[Event] = MemoryEventStore(Codec(Counted), streams=memory_store.streams)
    outdated = instance(redis, older)  # it does not know Named
    await outdated.watcher.rebuild_needed()
    assert await read(redis, "counter-a") == CounterView(total=1, events=1)
    (counters, *_) = await outdated.inspection.statuses()
    assert "Named v1 is not known" in counters.parked["counter-b"]
    parity = await outdated.inspection.verify("counters", 1)
    assert parity.unfoldable == ["counter-b"]
    assert await instance(redis, memory_store).backlog.retry_parked() == 2
    assert await read(redis, "counter-b") == CounterView(total=1, events=2, name="n")


async def test_an_unknown_read_model_cannot_be_rebuilt(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    with pytest.raises(KeyError, match="melons"):
        await instance(redis, memory_store).rebuild("melons")


async def test_a_generation_number_is_never_used_again(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    service = instance(redis, memory_store)
    await append(memory_store, "counter-a", Counted(by=1))
    await service.watcher.rebuild_needed()
    for number in (2, 3):
        done = await service.rebuild("counters", switch=False)
        assert done.generation == number
        assert await service.control.set_state("counters", "cancelled")
    await redis.hdel(control_key(SERVICE), "counters")  # nothing names a generation any more
    await service.watcher.rebuild_needed()
    assert await service.inspection.served() == {"counters": 4, "names": 1}


async def test_a_lost_counter_is_set_above_every_generation_of_which_a_key_is_left(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    """An eviction, for example, takes the counter and the control hash, and leaves documents."""
    service = instance(redis, memory_store)
    await append(memory_store, "counter-a", Counted(by=1))
    await redis.hset(document_key(SERVICE, "counters", 7, "counter-a"), mapping={"v": 1, "d": "?"})
    await service.watcher.rebuild_needed()
    assert await service.inspection.served() == {"counters": 8, "names": 1}
    assert await read(redis, "counter-a") == await fold_log(memory_store, "counter-a")


async def test_a_slow_cancellation_does_not_delete_the_next_generation(
    redis: Any, memory_store: MemoryEventStore[Event]
) -> None:
    """It has seen which generations are named before the next one is built and served."""
    for number in range(20):
        await append(memory_store, f"counter-{number}", Counted(by=1))
    service = instance(redis, memory_store)
    await service.watcher.rebuild_needed()
    await service.rebuild("counters", switch=False)
    slow = PausedRedis(redis)
    plans = RebuildPlans(slow, SERVICE)
    cancelling = asyncio.create_task(RebuildControl(plans).set_state("counters", "cancelled"))
    await slow.scanning.wait()
    assert (await service.rebuild("counters")).generation == 3
    slow.resumed.set()
    assert await cancelling
    for number in range(20):
        assert await read(redis, f"counter-{number}") == CounterView(total=1, events=1)
    assert not [key async for key in keys_of(redis, SERVICE, "counters") if generation_of(key) == 2]


@dataclass
class PausedRedis:
    """Pauses before a scan of the keys until an event is set."""

    redis: Any
    scanning: asyncio.Event = field(default_factory=asyncio.Event)
    resumed: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.redis, name)

    async def scan_iter(self, **options: Any) -> AsyncIterator[bytes]:
        self.scanning.set()
        await self.resumed.wait()
        async for key in self.redis.scan_iter(**options):
            yield key


@pytest.mark.parametrize("jump", [-3600.0, 86_400.0])
async def test_progress_does_not_depend_on_the_clock(
    redis: Any, memory_store: MemoryEventStore[Event], monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    for number in range(200):
        await append(memory_store, f"counter-{number}", Counted(by=1))
    pages: list[RebuildProgress] = []

    def jump_clock(progress: RebuildProgress) -> None:
        pages.append(progress)
        now = time.time() + jump
        monkeypatch.setattr("time.time", lambda: now)

    rebuilder = Rebuilder(instance(redis, memory_store).projector, on_page=jump_clock)
    await rebuilder.rebuild("counters", segments=1)
    assert len(pages) > 2
    assert all(0 < progress.seconds < 60 for progress in pages)
    assert all(0 <= (progress.seconds_left or 0) < 60 for progress in pages)
    assert all(0 < progress.events_per_second < 1e7 for progress in pages)
    assert [p.seconds for p in pages] == sorted(p.seconds for p in pages)
