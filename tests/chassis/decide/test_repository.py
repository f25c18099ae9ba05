"""A command is carried out once, and retried when other writers are faster."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest
from pydantic import TypeAdapter
from tenacity import wait_none

from chassis.decide import repository
from chassis.decide.decider import DecisionContext, Rejected
from chassis.decide.repository import Repository
from chassis.decide.streams import Snapshots
from chassis.log.event_store import (
    CommandIdReused,
    Commit,
    CommitTooLarge,
    Conflict,
    EventStore,
    Head,
    Origin,
)
from chassis.log.memory import MemoryEventStore
from contracts.messages import Metadata
from tests.chassis.events import COUNTER, Count, Counted, CounterCommand, Named, TakeName

Store = EventStore[Counted | Named]
Counters = Repository[int, CounterCommand, Counted | Named]

SNAPSHOTS = Snapshots(TypeAdapter(int), newest=5, every=3)


def metadata(command_id: str | None = None) -> Metadata:
    return Metadata(command_id=command_id or str(uuid4()), correlation_id="correlation")


@pytest.fixture
def counters(store: Store) -> Counters:
    return Repository(store, COUNTER)


@pytest.fixture
def counter() -> str:
    return str(uuid4())


async def test_a_command_is_appended_with_its_actor_and_cause(
    counters: Counters, counter: str
) -> None:
    caller = Metadata(command_id="id", correlation_id="all", causation_id="why", actor="alice")
    decision = await counters.execute(Count(counter=counter, by=2), caller)
    assert decision.commit is not None
    assert decision.head == Head(f"counter-{counter}", 2)
    assert decision.commit.events == (Counted(by=1), Counted(by=1))
    assert decision.history.commits == (decision.commit,)
    origin = decision.commit.origin
    assert (origin.command_id, origin.causation_id, origin.actor) == ("id", "why", "alice")


async def test_a_redelivered_command_changes_nothing(counters: Counters, counter: str) -> None:
    command, once = Count(counter=counter, by=2), metadata()
    first = await counters.execute(command, once)
    await counters.execute(Count(counter=counter), metadata())
    again = await counters.execute(command, once)
    assert again.repeated
    assert again.commit == first.commit
    assert again.history.head.version == 3  # read models are projected nevertheless


async def test_a_decision_contains_the_state_after_it(counters: Counters, counter: str) -> None:
    once = metadata()
    states = [
        (await counters.execute(Count(counter=counter, by=by), each)).state
        for by, each in ((2, once), (0, metadata()), (3, metadata()), (2, once))
    ]
    assert states == [2, 2, 5, 5]
    assert await counters.state(f"counter-{counter}") == 5


async def test_another_body_under_the_same_id_is_rejected(counters: Counters, counter: str) -> None:
    once = metadata()
    await counters.execute(Count(counter=counter), once)
    with pytest.raises(CommandIdReused):
        await counters.execute(Count(counter=counter, by=2), once)


async def test_a_command_without_effect_appends_nothing(counters: Counters, counter: str) -> None:
    decision = await counters.execute(Count(counter=counter, by=0), metadata())
    assert decision.commit is None
    assert decision.head.version == 0


async def test_a_rejected_command_appends_nothing(counters: Counters, counter: str) -> None:
    with pytest.raises(Rejected, match="below zero"):
        await counters.execute(Count(counter=counter, by=-1), metadata())
    assert (await counters.store.head(f"counter-{counter}")).version == 0


async def test_concurrent_commands_of_one_stream_are_all_carried_out(
    store: Store, counter: str
) -> None:
    counters = Repository(store, COUNTER)
    decisions = await asyncio.gather(
        *(counters.execute(Count(counter=counter), metadata()) for _ in range(8))
    )
    assert sorted(decision.head.version for decision in decisions) == list(range(1, 9))


async def test_a_random_name_is_drawn_again_when_it_is_taken(store: Store) -> None:
    first, second = uuid4().bytes, uuid4().bytes
    draws = iter([first, first, second])
    drawing = Repository(store, COUNTER, now=lambda: DecisionContext(at_ms=1, entropy=next(draws)))
    names = [await _named(drawing, str(uuid4())) for _ in range(2)]
    assert names == [first.hex(), second.hex()]


async def _named(counters: Counters, counter: str) -> str:
    decision = await counters.execute(TakeName(counter=counter), metadata())
    assert decision.commit is not None
    (event,) = decision.commit.events
    assert isinstance(event, Named)
    return event.name


async def test_a_chosen_name_that_is_taken_is_rejected(counters: Counters) -> None:
    name = str(uuid4())
    await counters.execute(TakeName(counter=str(uuid4()), name=name), metadata())
    with pytest.raises(Rejected) as rejected:
        await counters.execute(TakeName(counter=str(uuid4()), name=name), metadata())
    assert rejected.value.code == "taken"


async def test_a_writer_that_always_loses_raises_the_conflict(
    memory_store: MemoryEventStore[Counted | Named], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "_CONFLICT_BACKOFF", wait_none())
    losing = Repository(_AlwaysFaster(memory_store), COUNTER)
    with pytest.raises(Conflict):
        await losing.execute(Count(counter="busy"), metadata())


@dataclass
class _AlwaysFaster(MemoryEventStore[Counted | Named]):
    """Lets another writer append first, every time."""

    def __init__(self, store: MemoryEventStore[Counted | Named]) -> None:
        super().__init__(store.codec)

    async def append(
        self,
        head: Head,
        events: Sequence[Counted | Named],
        origin: Origin,
        *,
        claims: Sequence[str] = (),
        unclaimed: Sequence[str] = (),
    ) -> Commit[Counted | Named]:
        await super().append(head, events, origin._replace(command_id=str(uuid4())))
        return await super().append(head, events, origin, claims=claims, unclaimed=unclaimed)


async def test_a_claim_that_two_events_of_a_commit_name_is_taken_once(store: Store) -> None:
    name = str(uuid4())
    twice = replace(COUNTER, decide=lambda _state, _command, _context: [Named(name=name)] * 2)
    command = TakeName(counter=str(uuid4()), name=name)
    decision = await Repository(store, twice).execute(command, metadata())
    assert decision.head.version == 2
    with pytest.raises(Rejected):
        await Repository(store, COUNTER).execute(
            TakeName(counter=str(uuid4()), name=name), metadata()
        )


async def test_more_claims_than_a_transaction_takes_are_refused_before_anything_is_written(
    store: Store, counter: str
) -> None:
    many = replace(
        COUNTER,
        decide=lambda _state, _command, _context: [Named(name=f"{n}{counter}") for n in range(100)],
    )
    with pytest.raises(CommitTooLarge):
        await Repository(store, many).execute(TakeName(counter=counter), metadata())
    assert (await store.head(f"counter-{counter}")).version == 0


async def test_a_decision_that_relies_on_a_free_claim_is_made_again_once_it_is_held(
    store: Store,
) -> None:
    name, holder = str(uuid4()), str(uuid4())
    seen: list[DecisionContext] = []

    def decide(
        _state: int, _command: Count | TakeName, context: DecisionContext
    ) -> list[Counted | Named]:
        seen.append(context)
        return [Counted(by=1) for _ in range(1 + len(context.taken))]

    relying = replace(
        COUNTER,
        decide=decide,
        claims=lambda _event: (),
        requires_unclaimed=lambda _state, events, _context: (
            (f"name#{name}",) if len(events) == 1 else ()
        ),
    )
    free = await Repository(store, relying).execute(
        TakeName(counter=str(uuid4()), name=name), metadata()
    )
    assert free.head.version == 1
    await Repository(store, COUNTER).execute(TakeName(counter=holder, name=name), metadata())
    held = await Repository(store, relying).execute(
        TakeName(counter=str(uuid4()), name=name), metadata()
    )
    assert held.head.version == 2
    assert [dict(context.holders) for context in seen] == [
        {},
        {},
        {f"name#{name}": f"counter-{holder}"},
    ]
