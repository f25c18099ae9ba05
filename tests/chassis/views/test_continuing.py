"""A long or restored stream is projected from what is stored, and equals the fold of the log."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.log.memory import MemoryEventStore
from chassis.log.slices import SLICE
from chassis.views import projector as projector_module
from chassis.views.change import Target, fold_in_slices
from chassis.views.keys import board_key
from chassis.views.projection import BoardMember, Ordering, ReadModel
from chassis.views.projector import Projector
from contracts.read_models import BoardRef
from tests.chassis.appending import append
from tests.chassis.events import CODEC, Counted, CounterView, Named, fold
from tests.chassis.models import COUNTERS, NAMES, SERVICE, serve
from tests.chassis.views.test_lists import LISTING, ORDERS
from tests.support.failover import Copy

if TYPE_CHECKING:
    from chassis.log.event_store import History

pytestmark = pytest.mark.stack

Event = Counted | Named
Store = MemoryEventStore[Event]
STREAM = "counter-a"
ORDERING = Ordering(
    BoardRef(SERVICE, "order", CounterView),
    fold,
    lambda view: {
        "odd": view.total if view.total % 2 else None,
        "even": None if view.total % 2 else view.total,
    },
)
MODELS = (COUNTERS, NAMES, ORDERING, LISTING)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat every stream of more than two commits as a long one."""
    monkeypatch.setattr(projector_module, "SHORT", 2)


async def serve_models(redis: Any) -> None:
    await serve(redis, **{model.name: 1 for model in MODELS})


@pytest.mark.usefixtures("short")
async def test_a_long_stream_takes_two_round_trips_and_no_load(
    redis: Any, memory_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await serve_models(redis)
    projector = Projector(redis, memory_store, SERVICE, MODELS)
    for _ in range(4):
        await projector.project(await append(memory_store, STREAM, Named(name="a")))
    history = await append(memory_store, STREAM, Counted(by=1), Named(name="a"))
    tail = await memory_store.load(STREAM, after=2)
    monkeypatch.setattr(MemoryEventStore, "load", None)
    monkeypatch.setattr(MemoryEventStore, "head", None)
    sent = _Calls(redis)
    projector.redis = sent
    await projector.project(tail)
    assert sent.together == 2
    await projector.project(history)  # nothing is left to apply
    assert sent.together == 3
    monkeypatch.undo()
    projector.redis = redis
    await _equals_the_fold(redis, memory_store)


class _Calls:
    """Count the round trips of a client."""

    def __init__(self, redis: Any) -> None:
        self._redis, self.together = redis, 0

    async def execute_many(self, commands: Sequence[Any]) -> Any:
        self.together += 1
        return await self._redis.execute_many(commands)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} takes another round trip")


async def test_a_view_that_is_ahead_of_a_restored_log_does_not_swallow_events(
    redis: Any, memory_store: Store
) -> None:
    await serve_models(redis)
    projector = Projector(redis, memory_store, SERVICE, MODELS)
    for name in "abca":
        await projector.project(await append(memory_store, STREAM, Named(name=name)))
    del memory_store.streams[STREAM][1:]
    await projector.project(await append(memory_store, STREAM, Counted(by=1)))
    await _equals_the_fold(redis, memory_store)


async def test_a_view_at_the_version_of_a_lost_commit_is_replaced(
    redis: Any, memory_store: Store
) -> None:
    await serve_models(redis)
    projector = Projector(redis, memory_store, SERVICE, MODELS)
    for name in "ab":
        await projector.project(await append(memory_store, STREAM, Named(name=name)))
    del memory_store.streams[STREAM][1:]
    await projector.project(await append(memory_store, STREAM, Counted(by=1)))
    await _equals_the_fold(redis, memory_store)


async def test_a_view_of_a_stream_that_was_lost_completely_is_removed(
    redis: Any, memory_store: Store
) -> None:
    await serve_models(redis)
    projector = Projector(redis, memory_store, SERVICE, MODELS)
    await projector.project(await append(memory_store, STREAM, Named(name="a"), Counted(by=1)))
    memory_store.streams[STREAM].clear()
    for model in (COUNTERS, ORDERING, LISTING):
        assert await projector.catch_up(Target(SERVICE, model, 1), STREAM)
        assert await _stored(redis, Target(SERVICE, model, 1)) == {}
        at = Target(SERVICE, model, 1).location(STREAM)
        assert await redis.hget(at.version_key, at.version_field) is None


@pytest.mark.usefixtures("short")
async def test_a_view_of_an_older_build_is_continued(redis: Any, memory_store: Store) -> None:
    """It has no fingerprints, or one of an earlier version."""
    await serve_models(redis)
    projector = Projector(redis, memory_store, SERVICE, MODELS)
    for _ in range(4):
        await projector.project(await append(memory_store, STREAM, Named(name="a")))
    for model in MODELS:
        at = Target(SERVICE, model, 1).location(STREAM)
        await redis.hset(at.fingerprint_key, at.fingerprint_field, "3.3.stale")
    await projector.project(await append(memory_store, STREAM, Named(name="b")))
    assert projector.counts.gaps == 0
    await _equals_the_fold(redis, memory_store)


@pytest.mark.parametrize("model", [COUNTERS, ORDERING, LISTING], ids=lambda model: model.name)
async def test_events_that_a_failover_takes_back_are_not_folded_twice(
    redis: Any, memory_store: Store, model: ReadModel[Event]
) -> None:
    """Another instance writes before the fields are read; then a replica that lags takes over."""
    await serve_models(redis)
    await append(memory_store, STREAM, Counted(by=2), Named(name="a"))
    target = Target(SERVICE, model, 1)
    other = Projector(redis, memory_store, SERVICE, MODELS)
    copy = await Copy.of(redis)

    class Slow(Projector[Event]):
        async def _since(self, *arguments: Any) -> Any:
            await other.catch_up(target, STREAM)
            return await Projector._since(self, *arguments)

        async def apply(self, changes: Sequence[Any]) -> list[bytes]:
            await copy.take_over()
            return await Projector.apply(self, changes)

    await Slow(redis, memory_store, SERVICE, MODELS).catch_up(target, STREAM)
    history = await memory_store.load(STREAM)
    expected: Mapping[Any, Any] = model.changes(STREAM, history.events, {})
    assert await _stored(redis, target) == {n: v for n, v in expected.items() if v is not None}


async def test_a_long_stream_is_caught_up_in_slices(redis: Any, memory_store: Store) -> None:
    await serve_models(redis)
    projector = Projector(redis, memory_store, SERVICE, MODELS)
    await append(memory_store, STREAM, Named(name="a"))
    template = memory_store.streams[STREAM][0]
    for first in range(2, 3 * SLICE):
        memory_store.streams[STREAM].append(
            _stored_commit(template, first, Named(name=f"n{first % 50}"))
        )
    for model in MODELS:
        folded = _Folded(model)
        assert await projector.catch_up(Target(SERVICE, folded, 1), STREAM)
        assert max(folded.sizes) <= SLICE
        assert sum(folded.sizes) == 3 * SLICE - 1
    await _equals_the_fold(redis, memory_store)


async def test_a_stream_of_few_commits_with_many_events_is_not_folded_again(
    redis: Any, memory_store: Store
) -> None:
    await serve_models(redis)
    folded = [_Folded(model) for model in MODELS]
    projector = Projector(redis, memory_store, SERVICE, folded)
    events: list[Event] = [Named(name="a"), *[Counted(by=1)] * (SLICE - 1)]
    await projector.project(await append(memory_store, STREAM, *events))
    history = await append(memory_store, STREAM, Counted(by=1))
    for each in folded:
        each.sizes.clear()
    await projector.project(history)
    assert [each.sizes for each in folded] == [[1]] * len(MODELS)
    await _equals_the_fold(redis, memory_store)


async def test_other_tasks_run_between_the_read_models_of_a_large_commit(
    redis: Any, memory_store: Store
) -> None:
    await serve_models(redis)
    turns: list[int] = []

    class Folded(_Folded):
        def changes(self, stream: str, events: Any, stored: Any) -> Any:
            turns.append(turn)
            return super().changes(stream, events, stored)

    turn = 0

    async def count_turns() -> None:
        nonlocal turn
        while True:
            await asyncio.sleep(0)
            turn += 1

    projector = Projector(redis, memory_store, SERVICE, [Folded(model) for model in MODELS])
    await projector.project(await append(memory_store, STREAM, Named(name="a")))
    turns.clear()
    counting = asyncio.create_task(count_turns())
    await projector.project(await append(memory_store, STREAM, *[Counted(by=1)] * SLICE))
    counting.cancel()
    assert len(turns) == len(set(turns)) == len(MODELS)


def _stored_commit(template: Any, first: int, event: Event) -> Any:

    encoding, data = CODEC.encode([event])
    origin = template.origin._replace(command_id=f"command-{first}")
    return replace(template, first=first, origin=origin, encoding=encoding, data=data)


class _Folded:
    """Record how many events a read model folds at once."""

    def __init__(self, model: Any) -> None:
        self._model, self.sizes = model, list[int]()

    def changes(self, stream: str, events: Any, stored: Any) -> Any:
        self.sizes.append(len(events))
        return self._model.changes(stream, events, stored)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


names = st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=3)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), names),
        st.tuples(st.just("project"), st.tuples(st.integers(0, 1), st.integers(0, 5))),
        st.tuples(st.just("again"), st.tuples(st.integers(0, 1), st.integers(0, 9))),
        st.tuples(st.just("restore"), st.integers(0, 9)),
    ),
    min_size=4,
    max_size=24,
)


@pytest.mark.usefixtures("short")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
async def test_read_models_equal_the_log_however_instances_project_it(
    redis: Any, steps: list[tuple[str, Any]]
) -> None:
    """Two instances project complete streams or tails, late and repeatedly; the log is restored."""
    await redis.flushdb()
    await serve_models(redis)
    store: Store = MemoryEventStore(CODEC)
    instances = [Projector(redis, store, SERVICE, MODELS) for _ in range(2)]
    seen: list[History[Event]] = []
    at_ms = 0
    for kind, argument in steps:
        if kind == "append":
            at_ms += 1
            seen.append(await append(store, STREAM, *map(_event, argument), at_ms=at_ms))
        elif kind == "project":
            instance, commits = argument
            tail = await store.load_newest(STREAM, commits=commits + 1)
            await instances[instance].project(tail)
        elif kind == "again":
            instance, index = argument
            # a history of a lost log is not projected after the restore: its process was stopped
            if index < len(seen):
                await instances[instance].project(seen[index])
        else:
            del store.streams[STREAM][argument:]
            seen = [h for h in seen if len(h.commits) <= argument]
    at_ms += 1
    await append(store, STREAM, Counted(by=1), at_ms=at_ms)
    await instances[0].project(await store.load_newest(STREAM, commits=2))
    await _equals_the_fold(redis, store)


def _event(name: str | None) -> Event:
    return Counted(by=1) if name is None else Named(name=name)


async def _equals_the_fold(redis: Any, store: Store) -> None:
    history = await store.load(STREAM)
    for model in (COUNTERS, ORDERING, LISTING):
        changes: Mapping[Any, Any] = model.changes(STREAM, history.events, {})
        expected = {name: value for name, value in changes.items() if value is not None}
        assert await _stored(redis, Target(SERVICE, model, 1)) == expected
        sliced = await fold_in_slices(model, history)
        assert {name: value for name, value in sliced.items() if value is not None} == expected
        at = Target(SERVICE, model, 1).location(STREAM)
        assert int(await redis.hget(at.version_key, at.version_field)) == history.head.version


async def _stored(redis: Any, target: Target[Any]) -> dict[str | BoardMember, Any]:
    """Return everything that is stored of the stream."""
    at = target.location(STREAM)
    own = {} if target.model.shared else {at.version_field: 0, at.fingerprint_field: 0}
    found: dict[str | BoardMember, Any] = {
        name.decode(): value
        for name, value in (await redis.hgetall(at.data_key)).items()
        if name.decode() not in own
    }
    for board in (*ORDERS, "odd", "even"):
        members = await redis.zrange(board_key(at.data_key, board), 0, -1, withscores=True)
        found |= {BoardMember(board, member.decode()): score for member, score in members}
    return found
