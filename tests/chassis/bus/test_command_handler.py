"""A command is handled from its delivery to its outcome, and every redelivery is harmless."""

from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest

from chassis.bus.announcements import Announcer
from chassis.bus.command_counts import CommandCounts
from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import IncomingCommand
from chassis.bus.outcomes import Outcomes
from chassis.decide.decider import Rejected
from chassis.decide.repository import Repository
from chassis.log.event_store import Conflict, EventStore, Head
from chassis.views.projector import Projector
from tests.chassis.delivering import PublisherInMemory, incoming
from tests.chassis.events import COUNTER, Count, Counted, CounterCommand, CounterView, Named
from tests.chassis.models import MODELS, SERVICE, read, serve

pytestmark = pytest.mark.stack

Event = Counted | Named
Handler = CommandHandler[int, CounterCommand, Event]
Incoming = IncomingCommand[Any]


@pytest.fixture
def bus() -> PublisherInMemory:
    return PublisherInMemory()


@pytest.fixture
async def handler(redis: Any, store: EventStore[Event], bus: PublisherInMemory) -> Handler:
    await serve(redis, counters=1, names=1)
    return CommandHandler(
        Repository(store, COUNTER),
        Projector(redis, store, SERVICE, MODELS),
        Announcer(bus, "test", {Counted: ["listener"]}),
        Outcomes(redis),
    )


@pytest.fixture
def counter() -> str:
    return str(uuid4())


async def test_an_accepted_command_is_projected_announced_and_answered(
    redis: Any, handler: Handler, bus: PublisherInMemory, counter: str
) -> None:
    delivery = incoming(Count(counter=counter, by=2))
    outcome = await handler.handle(delivery)
    assert (outcome.state, outcome.position.version) == ("accepted", 2)
    assert outcome.actor == "alice"
    assert await handler.outcomes.get(delivery.metadata.command_id) == outcome
    assert await read(redis, f"counter-{counter}") == CounterView(total=2, events=2)
    assert [sent["deduplication_id"] for sent in bus.sent] == [
        f"counter-{counter}@1",
        f"counter-{counter}@2",
    ]
    assert {sent["queue"] for sent in bus.sent} == {"test-listener-announcements.fifo"}
    assert {sent["group_id"] for sent in bus.sent} == {f"counter-{counter}"}


async def test_announcements_continue_the_trace_of_their_command(
    handler: Handler, bus: PublisherInMemory, counter: str
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    delivery = incoming(Count(counter=counter))
    metadata = delivery.metadata.model_copy(update={"traceparent": trace})
    await handler.handle(replace(delivery, metadata=metadata))
    await handler.handle(incoming(Count(counter=counter)))
    assert [sent["headers"].get("traceparent") for sent in bus.sent] == [trace, None]


async def test_a_rejected_command_returns_the_reason(
    redis: Any, handler: Handler, counter: str
) -> None:
    outcome = await handler.handle(incoming(Count(counter=counter, by=-1)))
    assert outcome.state == "rejected"
    assert outcome.rejection is not None
    assert outcome.rejection.code == "below_zero"
    assert await read(redis, f"counter-{counter}") is None


async def test_a_redelivered_rejected_command_stays_rejected(
    handler: Handler, counter: str
) -> None:
    """Its sender has received the rejection, although it would be accepted by now."""
    rejected = incoming(Count(counter=counter, by=-1))
    first = await handler.handle(rejected)
    await handler.handle(incoming(Count(counter=counter, by=5)))
    assert await handler.handle(replace(rejected, redelivered=True)) == first
    assert (await handler.repository.store.head(f"counter-{counter}")).version == 5


async def test_a_redelivery_completes_what_a_crash_interrupted(
    redis: Any, handler: Handler, bus: PublisherInMemory, counter: str
) -> None:
    """The command was only appended, as after a kill between append and projection."""
    delivery = incoming(Count(counter=counter))
    await handler.repository.execute(delivery.command, delivery.metadata)
    assert await read(redis, f"counter-{counter}") is None
    outcome = await handler.handle(replace(delivery, redelivered=True))
    assert outcome.state == "accepted"
    assert await read(redis, f"counter-{counter}") == CounterView(total=1, events=1)
    assert len(bus.sent) == 1
    assert (await handler.repository.store.head(f"counter-{counter}")).version == 1


async def test_another_body_under_the_same_id_returns_the_digest_of_the_first(
    redis: Any, handler: Handler, counter: str
) -> None:
    first = incoming(Count(counter=counter, by=1), "same-" + counter)
    await handler.handle(first)
    await redis.delete(f"outcome:same-{counter}")  # a day has passed
    other = await handler.handle(incoming(Count(counter=counter, by=3), "same-" + counter))
    assert other.body_hash == first.digest
    assert (await handler.repository.store.head(f"counter-{counter}")).version == 1


async def test_a_command_that_changes_nothing_is_accepted(handler: Handler, counter: str) -> None:
    outcome = await handler.handle(incoming(Count(counter=counter, by=0)))
    assert (outcome.state, outcome.position.version) == ("accepted", 0)


async def test_commands_are_counted_by_type_and_result(
    handler: Handler, counter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = CommandCounts()
    handler = replace(handler, counts=counts)
    await handler.handle(incoming(Count(counter=counter)))
    await handler.execute(Count(counter=counter), incoming(Count(counter=counter)).metadata)
    await handler.handle(incoming(Count(counter=counter, by=-9)))
    with pytest.raises(Rejected):
        await handler.execute(
            Count(counter=counter, by=-9), incoming(Count(counter=counter)).metadata
        )
    for error in (RuntimeError("a fault"), Conflict(Head("counter", 1))):
        monkeypatch.setattr(Repository, "execute", AsyncMock(side_effect=error))
        with pytest.raises(type(error)):
            await handler.handle(incoming(Count(counter=counter)))
    counted = {labels: sum(row.counts) for labels, row in counts.durations.rows.items()}
    assert counted == {
        ("Count", "accepted"): 2,
        ("Count", "rejected"): 2,
        ("Count", "failed"): 1,
        ("Count", "returned"): 1,
    }
    assert counts.rejections == {("Count", "below_zero"): 2}
