"""A long stream is decided from a snapshot exactly as from all its commits, at a bounded cost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from chassis.decide import streams
from chassis.decide.decider import DecisionContext, Rejected
from chassis.decide.repository import Repository
from chassis.decide.streams import REDELIVERY_DAYS, Snapshots
from chassis.log.event_store import CommandIdReused, EventStore, ExecutedCommand, Snapshot
from chassis.log.memory import MemoryEventStore
from chassis.log.slices import SLICE
from contracts.messages import Metadata
from tests.chassis.appending import append
from tests.chassis.events import CODEC, COUNTER, Count, Counted, CounterCommand, Named, evolve

Event = Counted | Named
Store = EventStore[Event]
Counters = Repository[int, CounterCommand, Event]

SNAPSHOTS = Snapshots(TypeAdapter(int), newest=5, every=3)


def metadata(command_id: str | None = None) -> Metadata:
    return Metadata(command_id=command_id or str(uuid4()), correlation_id="correlation")


@pytest.fixture
def counter() -> str:
    return str(uuid4())


async def count(counters: Counters, counter: str, times: int) -> list[Metadata]:
    commands = [metadata() for _ in range(times)]
    for each in commands:
        await counters.execute(Count(counter=counter), each)
    return commands


async def test_a_long_stream_is_decided_from_its_snapshot(store: Store, counter: str) -> None:
    counters = Repository(store, COUNTER, SNAPSHOTS)
    await count(counters, counter, 7)
    snapshot = await store.snapshot(f"counter-{counter}")
    assert snapshot is not None
    assert (snapshot.version, snapshot.state, snapshot.indexed) == (6, b"6", 4)
    decision = await counters.execute(Count(counter=counter), metadata())
    assert decision.history.after == 2
    assert decision.head.version == 8
    with pytest.raises(Rejected):  # the state is 8, not only what followed the snapshot
        await counters.execute(Count(counter=counter, by=-9), metadata())
    await counters.execute(Count(counter=counter, by=-8), metadata())


async def test_a_short_stream_reads_and_writes_no_snapshot(counter: str) -> None:
    store: Any = CallsCounted(MemoryEventStore(CODEC))
    await count(Repository(store, COUNTER, SNAPSHOTS), counter, 5)
    assert store.calls == ["load_newest", "append"] * 5
    store.calls.clear()
    await count(Repository(store, COUNTER), counter, 1)
    assert store.calls == ["load", "append"]


async def test_a_long_stream_needs_three_reads_and_a_bounded_number_of_commits(
    counter: str,
) -> None:
    store: Any = CallsCounted(MemoryEventStore(CODEC))
    counters = Repository(store, COUNTER, SNAPSHOTS)
    await count(counters, counter, 60)
    store.calls.clear()
    decision = await counters.execute(Count(counter=counter), metadata())
    assert store.calls == ["load_newest", "snapshot", "indexed_commit", "append"]
    assert len(decision.history.commits) == SNAPSHOTS.newest + 1


async def test_every_command_of_a_long_stream_is_recognised_when_it_is_redelivered(
    store: Store, counter: str
) -> None:
    counters = Repository(store, COUNTER, SNAPSHOTS)
    commands = await count(counters, counter, 17)
    for number, each in enumerate(commands):
        again = await counters.execute(Count(counter=counter), each)
        assert again.repeated
        assert again.head.version == number + 1
        assert again.history.head.version == 17
        with pytest.raises(CommandIdReused):
            await counters.execute(Count(counter=counter, by=3), each)


async def test_commands_that_cannot_be_redelivered_are_not_indexed(counter: str) -> None:
    store: MemoryEventStore[Event] = MemoryEventStore(CODEC)
    clock = [1_000_000_000]
    counters = Repository(
        store, COUNTER, SNAPSHOTS, now=lambda: DecisionContext(at_ms=clock[0], entropy=b"0")
    )
    await count(counters, counter, 4)
    clock[0] += REDELIVERY_DAYS * 24 * 3600 * 1000 + 1
    await count(counters, counter, 5)
    assert sorted(store.commands.values()) == [5, 6, 7]


@pytest.mark.parametrize("state", [b"no JSON", b'"text"', b""])
async def test_a_snapshot_that_cannot_be_read_is_not_used(
    store: Store, counter: str, state: bytes
) -> None:
    counters = Repository(store, COUNTER, SNAPSHOTS)
    await count(counters, counter, 9)
    stored = await store.snapshot(f"counter-{counter}")
    assert stored is not None
    damaged = replace(stored, state=state, version=stored.version)
    await store.save_snapshot(damaged, replaces=stored.fingerprint)
    decision = await counters.execute(Count(counter=counter), metadata())
    assert (decision.history.after, decision.head.version) == (0, 10)


async def test_a_snapshot_with_another_schema_is_not_used_and_is_replaced(
    store: Store, counter: str
) -> None:
    await count(Repository(store, COUNTER, SNAPSHOTS), counter, 9)
    newer = Repository(store, COUNTER, replace(SNAPSHOTS, schema=2))
    decision = await newer.execute(Count(counter=counter), metadata())
    assert (decision.history.after, decision.head.version) == (0, 10)
    decision = await newer.execute(Count(counter=counter), metadata())
    assert decision.history.after == 5


async def test_a_snapshot_of_a_history_that_was_lost_is_not_used_and_is_replaced(
    counter: str,
) -> None:
    """The log was restored to an earlier state, the snapshots were not."""
    store: MemoryEventStore[Event] = MemoryEventStore(CODEC)
    counters, stream = Repository(store, COUNTER, SNAPSHOTS), f"counter-{counter}"
    lost = await count(counters, counter, 20)
    del store.streams[stream][10:]
    decision = await counters.execute(Count(counter=counter), metadata())
    assert decision.head.version == 11
    snapshot = await store.snapshot(stream)
    assert snapshot is not None
    assert (snapshot.version, snapshot.state) == (11, b"11")
    again = await counters.execute(Count(counter=counter), lost[12])
    assert (again.repeated, again.head.version) == (False, 12)


async def test_a_snapshot_that_was_not_saved_for_long_does_not_hide_a_command(
    counter: str,
) -> None:
    store: MemoryEventStore[Event] = MemoryEventStore(CODEC)
    counters, stream = Repository(store, COUNTER, SNAPSHOTS), f"counter-{counter}"
    commands = await count(counters, counter, 9)
    for _ in range(20):  # by a build without snapshots
        commands += await count(Repository(store, COUNTER), counter, 1)
    for each in commands:
        assert (await counters.execute(Count(counter=counter), each)).repeated
    assert (await store.head(stream)).version == 29


async def test_an_older_snapshot_than_the_newest_leads_to_the_same_decisions(
    counter: str,
) -> None:
    """Snapshots are read without consistency, at half the price."""
    store = Lagging(CODEC)
    counters = Repository(store, COUNTER, SNAPSHOTS)
    commands = await count(counters, counter, 30)
    for each in commands:
        assert (await counters.execute(Count(counter=counter), each)).repeated
    with pytest.raises(Rejected):
        await counters.execute(Count(counter=counter, by=-31), metadata())
    assert (await counters.execute(Count(counter=counter, by=-30), metadata())).state == 0


class Lagging(MemoryEventStore[Event]):
    """Returns the snapshot before the one that was saved last."""

    older: Snapshot | None = None

    async def snapshot(self, stream: str) -> Snapshot | None:
        del stream
        return self.older

    async def save_snapshot(self, snapshot: Snapshot, *, replaces: str = "") -> bool:
        self.older = self.snapshots.get(snapshot.stream)
        return await super().save_snapshot(snapshot, replaces=replaces)


async def test_a_state_that_exceeds_an_item_is_not_an_error(counter: str) -> None:
    store = NoRoom(CODEC)
    counters = Repository(store, COUNTER, SNAPSHOTS)
    await count(counters, counter, 12)
    assert store.attempts == 3  # at 6, 9 and 12 events, not at every command


class NoRoom(MemoryEventStore[Event]):
    attempts: int = 0

    async def save_snapshot(self, snapshot: Snapshot, *, replaces: str = "") -> bool:
        del snapshot, replaces
        self.attempts += 1
        return False


async def test_a_crash_before_the_snapshot_is_saved_leaves_no_gap_in_the_index(
    counter: str,
) -> None:
    store = Crashing(CODEC)
    counters = Repository(store, COUNTER, SNAPSHOTS)
    commands = []
    for number in range(20):
        store.crash = number % 3 == 0
        commands.append(metadata())
        try:
            await counters.execute(Count(counter=counter), commands[-1])
        except ConnectionError:
            store.crash = False
            assert (await counters.execute(Count(counter=counter), commands[-1])).repeated
    for each in commands:
        assert (await counters.execute(Count(counter=counter), each)).repeated


class Crashing(MemoryEventStore[Event]):
    crash: bool = False

    async def save_snapshot(self, snapshot: Snapshot, *, replaces: str = "") -> bool:
        if self.crash:
            raise ConnectionError
        return await super().save_snapshot(snapshot, replaces=replaces)


# Each step: a new command, or one of those before it once more, perhaps with another body.
steps = st.lists(
    st.tuples(st.integers(-3, 3), st.one_of(st.none(), st.integers(0, 39)), st.booleans()),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
async def test_decisions_are_the_same_with_and_without_snapshots(
    steps: list[tuple[int, int | None, bool]],
) -> None:
    seen: list[list[object]] = []
    for snapshots in (SNAPSHOTS, None):
        context = DecisionContext(at_ms=1_800_000_000_000, entropy=b"0")
        counters = Repository(
            MemoryEventStore(CODEC), COUNTER, snapshots, now=partial(_same, context)
        )
        seen.append([await _outcome(counters, steps, n) for n in range(len(steps))])
    assert seen[0] == seen[1]


def _same(context: DecisionContext) -> DecisionContext:
    return context


async def _outcome(
    counters: Counters, steps: Sequence[tuple[int, int | None, bool]], number: int
) -> object:
    by, repeats, other_body = steps[number]
    if repeats is not None and repeats < number:
        by = steps[repeats][0] + other_body
        number = repeats
    try:
        decision = await counters.execute(Count(counter="a", by=by), metadata(f"id-{number}"))
    except (Rejected, CommandIdReused) as error:
        return type(error)
    return decision.head, decision.history.head, decision.commit, decision.repeated


async def test_a_long_history_is_decoded_and_folded_in_slices() -> None:
    """Between two slices other tasks run, so that no load blocks the event loop for long."""
    work = WorkPerTurn()
    codec = type(CODEC)(Counted | Named)
    decode = codec.decode
    codec.decode = lambda *stored: work.did(decode(*stored))  # type: ignore[method-assign]
    store: MemoryEventStore[Event] = MemoryEventStore(codec)
    stream = "counter-long"
    for _ in range(5):
        await append(store, stream, Counted(by=1))
    template = store.streams[stream][0]
    store.streams[stream] = [replace(template, first=n + 1) for n in range(3 * SLICE)]
    decider = replace(COUNTER, evolve=lambda state, event: work.did(evolve(state, event)))
    work.most = work.now = 0
    async with work:
        decision = await Repository(store, decider).execute(Count(counter="long"), metadata())
    assert decision.head.version == 3 * SLICE + 1
    assert 0 < work.most <= SLICE


async def test_commits_of_many_events_are_divided_by_their_events() -> None:
    """A slice of commits that hold hundreds of events each would block the loop for seconds."""
    work = WorkPerTurn()
    codec = type(CODEC)(Counted | Named)
    decode = codec.decode
    codec.decode = lambda *stored: work.did(  # type: ignore[method-assign]
        decoded := decode(*stored), len(decoded)
    )
    store: MemoryEventStore[Event] = MemoryEventStore(codec)
    for _ in range(30):
        await append(store, "counter-wide", *[Counted(by=1)] * 90)
    work.most = work.now = 0
    async with work:
        await store.load("counter-wide")
    assert work.most == 180


async def test_one_command_adds_a_limited_number_of_commands_to_the_index(
    counter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older build has written the stream: all its commands, at once, would take minutes."""
    monkeypatch.setattr(streams, "MAX_INDEXED", 10)
    store = IndexWritesCounted(CODEC)
    counters = Repository(store, COUNTER, SNAPSHOTS)
    commands = await count(Repository(store, COUNTER), counter, 40)
    for number in range(1, 5):
        commands += await count(counters, counter, 1)
        assert len(store.commands) == min(10 * number, 38 + number - 1)
        for each in commands:
            again = await counters.execute(Count(counter=counter), each)
            assert again.repeated
            assert len(again.history.commits) <= SNAPSHOTS.newest
    assert store.most_indexed == 10
    snapshot = await store.snapshot(f"counter-{counter}")
    assert snapshot is not None
    assert snapshot.indexed >= (await store.head(snapshot.stream)).version - SNAPSHOTS.newest


async def test_commands_are_recognised_while_the_index_catches_up_and_processes_die(
    counter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_INDEXED", 4)
    store = Crashing(CODEC)
    counters = Repository(store, COUNTER, SNAPSHOTS)
    commands = await count(Repository(store, COUNTER), counter, 30)
    for number in range(20):
        store.crash = number % 2 == 0
        commands.append(metadata())
        try:
            await counters.execute(Count(counter=counter), commands[-1])
        except ConnectionError:
            store.crash = False
        for each in commands:
            assert (await counters.execute(Count(counter=counter), each)).repeated
    assert (await store.head(f"counter-{counter}")).version == 50


class IndexWritesCounted(MemoryEventStore[Event]):
    most_indexed: int = 0
    """Commands that one call has added to the index, at most."""

    async def index_commands(self, commands: Sequence[ExecutedCommand], *, expires_at: int) -> None:
        self.most_indexed = max(self.most_indexed, len(commands))
        await super().index_commands(commands, expires_at=expires_at)


@dataclass
class WorkPerTurn:
    """Count steps of work between two turns of the event loop."""

    now: int = 0
    most: int = 0

    def did(self, result: Any, steps: int = 1) -> Any:
        self.now += steps
        self.most = max(self.most, self.now)
        return result

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._turn())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _turn(self) -> None:
        while True:
            self.now = 0
            await asyncio.sleep(0)


class CallsCounted:
    """Record the calls of a store, in order."""

    def __init__(self, store: Any) -> None:
        self._store, self.calls = store, list[str]()

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._store, name)
