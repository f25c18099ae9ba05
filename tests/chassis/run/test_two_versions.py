"""Two versions of a service run next to each other on one log, one queue and one Redis.

The older version is built from smaller unions of commands and events: it has never heard of the
command `Rename` and the event `Renamed`, whose fold the newer version adds.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal
from uuid import uuid4

import pytest
from pydantic import Field
from redis.asyncio import Redis

from chassis.bus.commands import CommandSender
from chassis.bus.outcomes import Outcomes
from chassis.decide.decider import Decider, DecisionContext
from chassis.log.codec import Codec
from chassis.log.dynamodb import DynamoDBEventStore
from chassis.resilience.outages import OUTAGES
from chassis.run import deliveries
from chassis.run.assembly import assemble, subscribe
from chassis.run.resources import Resources
from chassis.run.service import Handlers, Service
from chassis.run.settings import ServiceSettings
from chassis.views.projection import Projection
from chassis.views.read_models import ReadModels, ReadModelsLost
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.messages import Command, CommandOutcome, Event, Metadata
from contracts.read_models import DocumentRef
from faststream_sqs.tests.scripted import SQSModel
from faststream_sqs.tests.support import broker_of
from redis_batching.connection import connect
from tests.chassis.events import Count, Counted, CounterView
from tests.chassis.stores import META
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

QUEUE, DEAD = "test-counting-commands.fifo", "dead-test-counting-commands.fifo"
VIEWS = DocumentRef("counting", "counters", CounterView)


class Rename(Command):
    service: ClassVar[str] = "counting"
    type: Literal["Rename"] = "Rename"
    counter: str
    to: str

    @property
    def stream(self) -> str:
        return f"counter-{self.counter}"


class Renamed(Event):
    type: Literal["Renamed"] = "Renamed"
    to: str


NEW_COMMAND = Annotated[Count | Rename, Field(discriminator="type")]
NEW_EVENT = Annotated[Counted | Renamed, Field(discriminator="type")]


def decide(_total: int, command: Command, _context: DecisionContext) -> list[Event]:
    if isinstance(command, Rename):
        return [Renamed(to=command.to)]
    assert isinstance(command, Count)
    return [Counted(by=command.by)]


def evolve(total: int, event: Event) -> int:
    return total + event.by if isinstance(event, Counted) else total


def fold(view: CounterView | None, event: Event) -> CounterView:
    view = view or CounterView()
    if isinstance(event, Renamed):
        return view.model_copy(update={"name": event.to, "events": view.events + 1})
    assert isinstance(event, Counted)
    return view.model_copy(update={"total": view.total + event.by, "events": view.events + 1})


class Settings(ServiceSettings):
    stack: str = "test"
    health_port: int = 0
    receive_wait_seconds: int = 1


def version(commands: Any, events: Any, fold_version: int) -> Service[Any, Any, Any, Any]:
    return Service(
        name="counting",
        settings=Settings,
        commands=commands,
        decider=Decider(0, decide, evolve, lambda _event: ()),
        codec=Codec(events),
        read_models=(Projection(VIEWS, fold, fold_version),),
    )


OLD = version(Annotated[Count, Field()], Annotated[Counted, Field()], 1)
NEW = version(NEW_COMMAND, NEW_EVENT, 2)


@dataclass
class System:
    """What all versions share: the queue, the tables and Redis."""

    model: SQSModel
    dynamodb: Any
    redis_url: str
    redis: Redis
    table: str
    sent: dict[str, str] = field(default_factory=dict)
    """Command id -> stream."""

    @asynccontextmanager
    async def running(self, service: Service[Any, Any, Any, Any]) -> AsyncIterator[None]:
        """Run one instance of a version."""
        broker = broker_of(self.model, reject="dlq")
        async with contextlib.aclosing(connect(self.redis_url)) as redis:
            resources = Resources(redis, broker, lambda _name, codec: self.store(codec))
            application = assemble(service, Settings(), resources)
            subscribe(application, Handlers())
            watcher = ReadModelWatcher(application.rebuilder.projector)
            await watcher.rebuild_needed()
            watching = asyncio.create_task(watcher.run())
            await broker.start()
            try:
                yield
            finally:
                watching.cancel()
                await asyncio.wait([watching])
                with OUTAGES.stop():
                    await broker.stop()

    def store(self, codec: Codec[Any]) -> DynamoDBEventStore[Any]:
        return DynamoDBEventStore(self.dynamodb, events=self.table, meta=META, codec=codec)

    async def send(self, *commands: Command) -> list[str]:
        """Send commands as a gateway that knows all of them does."""
        broker = broker_of(self.model)
        await broker.connect()
        ids = []
        for command in commands:
            ids.append(str(uuid4()))
            metadata = Metadata(command_id=ids[-1], correlation_id=ids[-1])
            await CommandSender(broker, "test").send(command, metadata)
            self.sent[ids[-1]] = command.stream
        await broker.stop()
        return ids

    async def outcomes(self, ids: list[str]) -> list[CommandOutcome]:
        """Wait until every command has an outcome."""
        stored = Outcomes(self.redis)

        async def complete() -> list[CommandOutcome] | None:
            found = [await stored.get(each) for each in ids]
            known = [outcome for outcome in found if outcome is not None]
            return known if len(known) == len(ids) else None

        found = await eventually(complete, seconds=40)
        assert found is not None
        return found

    async def unanswered(self, ids: list[str]) -> bool:
        return not [each for each in ids if await Outcomes(self.redis).get(each) is not None]

    async def check(self) -> None:
        """Check that nothing was lost: no dead letter, and each view is the fold of the log."""
        outcomes = await self.outcomes(list(self.sent))
        assert {outcome.state for outcome in outcomes} == {"accepted"}
        assert self.model.bodies(DEAD) == []
        for stream in set(self.sent.values()):
            await eventually(lambda stream=stream: self._is_folded(stream))  # type: ignore[misc]

    async def _is_folded(self, stream: str) -> bool:
        view = None
        history = await self.store(NEW.codec).load(stream)
        for commit in history.commits:
            for event in commit.events:
                view = fold(view, event)
        try:
            document = await ReadModels(self.redis).document(VIEWS, stream)
        except ReadModelsLost:
            return False
        return document is not None and document.view == view


@pytest.fixture
async def system(
    dynamodb: Any, redis_database: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> System:
    monkeypatch.setattr(deliveries, "MAX_NOT_YET_PAUSE_SECONDS", 1.0)
    # the model of SQS counts its time from the start of the event loop, not from 1970
    monkeypatch.setattr(deliveries, "NOT_YET_SECONDS", float("inf"))
    model = SQSModel()
    model.create_with_dead_letters(QUEUE, 100)
    table = f"events-{uuid4()}"
    await dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "p", "KeyType": "HASH"},
            {"AttributeName": "s", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "p", "AttributeType": "S"},
            {"AttributeName": "s", "AttributeType": "N"},
        ],
    )
    return System(model, dynamodb, redis_database, redis, table)


def counters(number: int) -> list[str]:
    return [uuid4().hex for _ in range(number)]


def mixed(streams: list[str]) -> list[Command]:
    """Return commands that both versions know and that only the newer one knows, in turn."""
    commands: list[Command] = []
    for counter in streams:
        commands += [Count(counter=counter), Rename(counter=counter, to="b")]
        commands += [Count(counter=counter)]
    return commands


async def test_the_service_is_deployed_before_the_gateway(system: System) -> None:
    """The right order: both versions take messages while the instances are replaced."""
    streams = counters(4)
    async with system.running(OLD):
        await system.outcomes(await system.send(*(Count(counter=each) for each in streams)))
        async with system.running(NEW):
            await system.send(*mixed(streams))
            await system.check()
    async with system.running(NEW):
        await system.send(*mixed(streams))
        await system.check()


async def test_a_gateway_that_is_deployed_first_has_its_commands_wait(system: System) -> None:
    streams = counters(3)
    async with system.running(OLD):
        early = await system.send(*(Rename(counter=each, to="b") for each in streams))

        async def returned() -> bool:
            calls = system.model.called("ChangeMessageVisibility", "ChangeMessageVisibilityBatch")
            return bool(calls)

        await eventually(returned)
        assert await system.unanswered(early)
        assert system.model.bodies(DEAD) == []
        others = await system.send(*(Count(counter=each) for each in counters(3)))
        await system.outcomes(others)  # other streams continue
    async with system.running(NEW):
        await system.check()


async def test_after_a_rollback_commands_of_changed_streams_wait_until_it_is_rolled_forward(
    system: System,
) -> None:
    changed, unchanged = counters(2), counters(2)
    async with system.running(NEW):
        await system.outcomes(await system.send(*mixed(changed)))
    async with system.running(OLD):
        waiting = await system.send(*(Count(counter=each) for each in changed))
        await system.outcomes(await system.send(*(Count(counter=each) for each in unchanged)))
        assert await system.unanswered(waiting)
        assert system.model.bodies(DEAD) == []
    async with system.running(NEW):
        await system.check()


async def test_two_instances_of_each_version_handle_one_stream_in_turn(system: System) -> None:
    (counter,) = counters(1)
    async with (
        system.running(OLD),
        system.running(NEW),
        system.running(OLD),
        system.running(NEW),
    ):
        for _ in range(3):
            await system.send(*mixed([counter]))
        await system.check()
