"""Read models equal the fold of the log, in whatever order and however often it is projected."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.log.event_store import Commit, History, Page
from chassis.log.memory import MemoryEventStore
from chassis.views.change import Change, Position, ProjectionCounts
from chassis.views.projector import Projector
from chassis.views.read_models import ReadModels
from tests.chassis.appending import append
from tests.chassis.events import CODEC, Counted, CounterView, Named
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
from tests.support.command_counts import calls_of_commands

pytestmark = pytest.mark.stack

Store = MemoryEventStore[Counted | Named]
Event = Counted | Named


@pytest.fixture
async def projector(redis: Any, memory_store: Store) -> Projector[Event]:
    await serve(redis, counters=1, names=1)
    return Projector(redis, memory_store, SERVICE, MODELS)


async def test_a_commit_is_projected_to_a_document_and_to_index_entries(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    stream = "counter-a"
    await projector.project(await append(memory_store, stream, Counted(by=2), Named(name="n")))
    reader = ReadModels(redis)
    document = await reader.document(COUNTER_VIEWS, stream)
    assert document is not None
    assert document.version == 2
    assert CounterView.model_validate_json(document.body) == CounterView(
        total=2, events=2, name="n"
    )
    assert await reader.entry(NAME_OWNERS, "n") == "taken"
    assert await reader.document(COUNTER_VIEWS, "counter-b") is None
    assert await reader.entry(NAME_OWNERS, "m") is None


async def test_projecting_twice_changes_nothing(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    history = await append(memory_store, "counter-a", Counted(by=2))
    await projector.project(history)
    await projector.project(history)
    assert await read(redis, "counter-a") == CounterView(total=2, events=1)
    assert projector.counts.duplicates == len(MODELS)


async def test_an_older_history_does_not_revert_a_document(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    older = await append(memory_store, "counter-a", Counted(by=1))
    newer = await append(memory_store, "counter-a", Counted(by=1))
    await projector.project(newer)
    await projector.project(older)
    assert await read(redis, "counter-a") == CounterView(total=2, events=2)


async def test_a_gap_is_filled_from_the_store(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    """Only the part of the stream after a snapshot arrives; what precedes it was not projected."""
    for number in range(4):
        await append(memory_store, "counter-a", Counted(by=1), Named(name=f"n{number}"))
    await projector.project(await memory_store.load("counter-a", after=6))
    assert await read(redis, "counter-a") == await fold_log(memory_store, "counter-a")
    assert await ReadModels(redis).entry(NAME_OWNERS, "n0") == "taken"


async def test_a_history_after_a_snapshot_continues_from_the_stored_document(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    await projector.project(await append(memory_store, "counter-a", Counted(by=1)))
    await append(memory_store, "counter-a", Counted(by=1))
    await projector.project(await memory_store.load("counter-a", after=1))
    assert await read(redis, "counter-a") == CounterView(total=2, events=2)


async def test_the_generation_being_built_is_written_as_well(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    await projector.project(await append(memory_store, "counter-a", Counted(by=1)))
    await serve(redis, **{"counters:building": 2})
    await projector.project(await append(memory_store, "counter-b", Counted(by=1)))
    await serve(redis, counters=2)
    assert await read(redis, "counter-b") == CounterView(total=1, events=1)
    assert await read(redis, "counter-a") is None  # the scan of the rebuild projects it


async def test_an_emptied_redis_is_detected(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    await redis.flushdb()
    await projector.project(await append(memory_store, "counter-a", Counted(by=1)))
    assert projector.generations_lost.is_set()


async def test_a_lost_script_is_loaded_again(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    await projector.project(await append(memory_store, "counter-a", Counted(by=1)))
    await redis.script_flush()
    await projector.project(await append(memory_store, "counter-a", Counted(by=1)))
    assert await read(redis, "counter-a") == CounterView(total=2, events=2)


OLD, NEW = "2.2.old", "9.9.new"
Step = tuple[Any, Position, Position]
"""Mode, start and last position of a change."""


@pytest.mark.parametrize("stored", [OLD, "1.1.stale", None])  # as an older build leaves it
@pytest.mark.parametrize(
    ("step", "status"),
    [
        (("next", Position(2, OLD), Position(3, NEW)), b"applied"),
        (("next", Position(2), Position(3, NEW)), b"applied"),
        (("first", Position(2, OLD), Position(5, NEW)), b"applied"),
        (("next", Position(1, "1.1.x"), Position(2, OLD)), b"duplicate"),
        (("first", Position(1, "1.1.x"), Position(2, OLD)), b"duplicate"),
        (("next", Position(0), Position(1, NEW)), b"ahead"),
        (("first", Position(0), Position(1, NEW)), b"ahead"),
        (("next", Position(3, "3.3.x"), Position(4, NEW)), b"gap"),  # version 3 was missed
        (("next", Position(1, "1.1.x"), Position(3, NEW)), b"gap"),  # 2 would be applied twice
        (("replace", Position(1, "1.1.x"), Position(3, NEW)), b"gap"),  # written meanwhile
        (("replace", Position(2, OLD), Position(1, NEW)), b"applied"),
        (("replace", Position(2, OLD), Position(0)), b"applied"),
    ],
)
async def test_only_a_change_that_follows_what_is_stored_is_applied(
    redis: Any,
    projector: Projector[Event],
    stored: str | None,
    step: Step,
    status: bytes,
) -> None:
    mode, start, last = step
    if mode == "replace" and stored != OLD:
        start = Position(start.version)
    location = await _store(redis, projector, stored)
    before = await redis.hgetall(location.data_key)
    change = Change(location, mode, start, last, ("+", "d", "new", "-", "x"))
    assert await projector.apply([change]) == [status]
    expected = {b"d": b"new"}
    if last.version:
        expected |= {b"v": str(last.version).encode(), b"f": last.fingerprint.encode()}
    found = await redis.hgetall(location.data_key)
    assert found == (expected if status == b"applied" else before)


@pytest.mark.parametrize(
    ("step", "status"),
    [
        (("next", Position(2, "2.2.lost"), Position(3, NEW)), b"other"),
        (("first", Position(2, "2.2.lost"), Position(3, NEW)), b"other"),
        (("first", Position(4, "4.4.x"), Position(5, NEW)), b"gap"),  # is version 2 the same?
        (("next", Position(1, "1.1.x"), Position(2, "2.2.lost")), b"other"),
        (("first", Position(1, "1.1.x"), Position(2, "2.2.lost")), b"other"),
        (("replace", Position(2, "2.2.lost"), Position(3, NEW)), b"gap"),
    ],
)
async def test_a_change_of_another_history_is_not_applied(
    redis: Any,
    projector: Projector[Event],
    step: Step,
    status: bytes,
) -> None:
    mode, start, last = step
    location = await _store(redis, projector, OLD)
    before = await redis.hgetall(location.data_key)
    change = Change(location, mode, start, last, ("+", "d", "new", "-", "x"))
    assert await projector.apply([change]) == [status]
    assert await redis.hgetall(location.data_key) == before


async def _store(redis: Any, projector: Projector[Event], fingerprint: str | None) -> Any:
    target = projector.target("counters", 1)
    assert target is not None
    location = target.location("counter-a")
    await redis.hset(location.data_key, mapping={"v": 2, "d": "stored", "x": "stored"})
    if fingerprint is not None:
        await redis.hset(location.data_key, "f", fingerprint)
    return location


async def test_one_round_trip_projects_a_commit(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    await projector.project(await append(memory_store, "counter-a", Counted(by=1)))
    history = await append(memory_store, "counter-a", Counted(by=1))
    before = await calls_of_commands(redis)
    await projector.project(history)
    made = await calls_of_commands(redis) - before
    # those that scripts call, those of the count itself, and those of a new connection
    others = {"hget", "hset", "hdel", "hincrby", "info", "cluster", "hello", "client"}
    sent = {name: calls for name, calls in made.items() if name not in others}
    assert sent == {"evalsha": len(MODELS), "hgetall": 1}


async def test_a_page_with_a_hole_is_filled_from_the_store(
    redis: Any, memory_store: Store, projector: Projector[Event]
) -> None:
    for _ in range(3):
        await append(memory_store, "counter-a", Counted(by=1))
    first, second, third = (await memory_store.load("counter-a")).commits
    await _project_page(projector, [first, third])
    await _project_page(projector, [first, second])
    assert await read(redis, "counter-a") == CounterView(total=3, events=3)


# One stream's commits, as (size, named) each.
commits = st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(streams=st.lists(commits, min_size=1, max_size=3), seed=st.integers(0, 2**32))
async def test_pages_may_come_in_any_order_in_parallel_with_live_writes(
    redis: Any, streams: list[list[tuple[int, bool]]], seed: int
) -> None:
    """Scan pages are shuffled, repeated and cut anywhere, while the streams are projected live."""
    await redis.flushdb()
    await serve(redis, counters=1, names=1)
    rng = random.Random(seed)
    store: Store = MemoryEventStore(CODEC)
    histories = await _fill(store, streams)
    projector = Projector(redis, store, SERVICE, MODELS)
    await _disturb(projector, histories, rng)
    for stream in histories:
        assert await read(redis, stream) == await fold_log(store, stream)


async def _fill(store: Store, streams: list[list[tuple[int, bool]]]) -> dict[str, list[Any]]:
    """Write the streams; return each history as its writers saw it."""
    seen: dict[str, list[History[Event]]] = {}
    for number, sizes in enumerate(streams):
        stream = f"counter-{number}"
        seen[stream] = []
        for size, named in sizes:
            events: list[Event] = [Counted(by=1)] * size
            if named:
                events.append(Named(name=f"{stream}-{size}"))
            seen[stream].append(await append(store, stream, *events))
    return seen


async def _disturb(
    projector: Projector[Event], histories: dict[str, list[History[Event]]], rng: random.Random
) -> None:
    every = [commit for seen in histories.values() for commit in seen[-1].commits]
    shuffled = every + rng.sample(every, k=len(every) // 2)
    rng.shuffle(shuffled)
    size = rng.randint(1, 4)
    pages = [shuffled[i : i + size] for i in range(0, len(shuffled), size)]
    live = [history for seen in histories.values() for history in seen if rng.random() < 0.5]
    work: list[Any] = [_project_page(projector, page) for page in pages]
    work += [projector.project(history) for history in live]
    rng.shuffle(work)
    await asyncio.gather(*work)


async def _project_page(projector: Projector[Event], page: list[Commit[Event]]) -> None:
    for name in (COUNTERS.name, NAMES.name):
        target = projector.target(name, 1)
        assert target is not None
        await projector.project_page(target, Page(tuple(page), None), ProjectionCounts())
