"""Run services in memory: their real composition, with memory stores and an in-memory broker.

Commands and events pass through the subscribers that the composition registers on the broker, as
messages that are encoded and parsed. Read models and outcomes are in the real Redis.
"""

import asyncio
import json
import time
import uuid
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self

from chassis.bus.commands import CommandSender, IncomingCommand
from chassis.bus.outcomes import Outcomes
from chassis.decide.decider import DecisionContext
from chassis.log.codec import Codec
from chassis.log.event_store import EventStore
from chassis.log.memory import MemoryEventStore
from chassis.run.assembly import assemble, subscribe
from chassis.run.resources import Resources
from chassis.run.service import Application, Handlers, Service
from chassis.run.settings import ServiceSettings
from chassis.views.read_models import ReadModels
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.messages import Command, CommandOutcome, Metadata
from faststream_sqs import SQSBroker, TestSQSBroker

STACK = "test"
_EMPTY: dict[str, dict[Any, Any]] = {}
"""Service -> what Redis holds once it has built its read models from an empty log."""


@dataclass(frozen=True)
class Sent:
    """Describe a published message."""

    queue: str
    body: dict[str, Any]
    headers: dict[str, str]
    correlation_id: str | None
    group_id: str | None
    deduplication_id: str | None

    @property
    def is_announcement(self) -> bool:
        return self.queue.endswith("-announcements.fifo")


@dataclass
class MemoryBus:
    """Hold published messages back until they are delivered to the broker's subscribers."""

    broker: SQSBroker
    published: list[Sent] = field(default_factory=list)
    waiting: deque[Sent] = field(default_factory=deque)

    @property
    def sent(self) -> list[Sent]:
        """Return the published messages except announcements."""
        return [sent for sent in self.published if not sent.is_announcement]

    @property
    def queues(self) -> set[str]:
        subscribers: Any = self.broker.subscribers
        return {subscriber.queue.name for subscriber in subscribers}

    async def publish(
        self,
        message: Any = None,
        queue: str = "",
        *,
        headers: dict[str, Any] | None = None,
        correlation_id: str | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
    ) -> None:
        sent = Sent(queue, message, headers or {}, correlation_id, group_id, deduplication_id)
        self.published.append(sent)
        self.waiting.append(sent)

    async def deliver_all(self, times: int = 1) -> None:
        """Deliver all waiting messages, and those published meanwhile, `times` times each.

        Messages to queues that no service on this bus receives from are dropped.
        """
        while self.waiting:
            sent = self.waiting.popleft()
            for _ in range(times):
                await self.deliver(sent)

    async def deliver(self, sent: Sent) -> None:
        if sent.queue in self.queues:
            await self.broker.publish(
                sent.body,
                sent.queue,
                headers=sent.headers,
                correlation_id=sent.correlation_id,
                group_id=sent.group_id,
                deduplication_id=sent.deduplication_id,
            )

    async def receive(self, queue: str, body: bytes) -> None:
        """Deliver a message from outside, such as a notification of SNS."""
        await self.broker.publish(json.loads(body), f"{STACK}-{queue}")


@dataclass
class RunningService:
    """Drive a composed service: send it commands and read what it stored."""

    application: Application[Any, Any, Any, Any]
    handlers: Handlers
    services: "Services"

    @property
    def at(self) -> float:
        """Return the time of the services' clock, in UNIX seconds."""
        return float(self.services.now)

    @at.setter
    def at(self, seconds: float) -> None:
        self.services.clock = seconds

    @property
    def bus(self) -> MemoryBus:
        return self.services.bus

    @property
    def redis(self) -> Any:
        return self.application.resources.redis

    @property
    def store(self) -> MemoryEventStore[Any]:
        assert isinstance(self.application.store, MemoryEventStore)
        return self.application.store

    @property
    def handler(self) -> Any:
        return self.application.handler

    @property
    def projector(self) -> Any:
        return self.application.handler.projector

    @property
    def models(self) -> ReadModels:
        return ReadModels(self.redis)

    @property
    def sent(self) -> list[Sent]:
        """Return messages to other services, and commands that the schedule sends to this one."""
        own = f"{STACK}-{self.application.service.name}-commands.fifo"
        return [
            sent
            for sent in self.bus.sent
            if sent.queue != own or sent.headers.get("actor") == self.application.service.name
        ]

    async def handle(self, command: Command) -> CommandOutcome:
        """Send a command through the queue, but deliver none of the messages it causes."""
        command_id = str(uuid.uuid4())
        metadata = Metadata(command_id=command_id, correlation_id=command_id)
        await CommandSender(self.bus, STACK).send(command, metadata)
        await self.bus.deliver(self.bus.waiting.pop())
        outcome = await Outcomes(self.redis).get(command_id)
        assert outcome is not None
        return outcome

    async def do(self, command: Command) -> CommandOutcome:
        """Handle a command, and deliver all messages that it causes."""
        outcome = await self.handle(command)
        await self.bus.deliver_all()
        return outcome

    async def execute(self, command: Command) -> CommandOutcome:
        """Handle a command that the service gives to itself."""
        command_id = str(uuid.uuid4())
        metadata = Metadata(command_id=command_id, correlation_id=command_id)
        outcome: CommandOutcome = await self.handler.handle(
            IncomingCommand.internal(command, metadata)
        )
        return outcome


@dataclass
class Services:
    """Compose services on one in-memory broker."""

    redis: Any
    bus: MemoryBus
    clock: float | None = None
    """UNIX seconds at which decisions are made; None: the real time."""
    running: dict[str, RunningService] = field(default_factory=dict)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @classmethod
    def create(cls, redis: Any, bus: type[MemoryBus] = MemoryBus) -> Self:
        return cls(redis, bus(SQSBroker(reject="dlq", logger=None)))

    @property
    def now(self) -> float:
        return time.time() if self.clock is None else self.clock

    def context(self) -> DecisionContext:
        return DecisionContext(int(self.now * 1000), uuid.uuid4().bytes * 2)

    def compose(
        self,
        service: Service[Any, Any, Any, Any],
        settings: ServiceSettings,
        store: EventStore[Any] | None = None,
    ) -> Application[Any, Any, Any, Any]:
        """Assemble a service with this bus and a store; default: a new one in memory."""

        def open_store(_name: str, codec: Codec[Any]) -> EventStore[Any]:
            return MemoryEventStore(codec) if store is None else store

        resources = Resources(
            self.redis, self.bus.broker, open_store, publisher=self.bus, now=self.context
        )
        return assemble(service, settings, resources)

    async def add(
        self, application: Application[Any, Any, Any, Any], handlers: Handlers | None = None
    ) -> RunningService:
        """Subscribe a service; default handlers: those of its declaration."""
        if handlers is None:
            composed = application.service.compose(application)
            handlers = await self._stack.enter_async_context(composed)
        subscribe(application, handlers)
        await build_read_models(application)
        running = RunningService(application, handlers, self)
        self.running[application.service.name] = running
        return running

    async def start(self) -> None:
        await self._stack.enter_async_context(TestSQSBroker(self.bus.broker))

    async def stop(self) -> None:
        await self._stack.aclose()


async def build_read_models(application: Application[Any, Any, Any, Any]) -> None:
    """Build the read models of an empty log; copy those of an earlier test if there are any."""
    redis, name = application.resources.redis, application.service.name
    if name not in _EMPTY:
        before = set(await redis.keys("*"))
        await ReadModelWatcher(application.rebuilder.projector).rebuild_needed()
        built = set(await redis.keys("*")) - before
        _EMPTY[name] = {key: await redis.dump(key) for key in built}
        return
    for key, value in _EMPTY[name].items():
        await redis.restore(key, 0, value, replace=True)


@dataclass
class DeliveringBus(MemoryBus):
    """Deliver each message at once, in a task; commands can be refused or held back."""

    down: bool = False
    """Refuse to publish."""
    held: bool = False
    """Hold commands back until `release`."""
    held_queues: set[str] = field(default_factory=set)
    """Hold the messages to these queues back until `release`."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)

    async def publish(self, message: Any = None, queue: str = "", **options: Any) -> None:
        if self.down:
            raise OSError("the bus is down")
        await super().publish(message, queue, **options)
        sent = self.waiting.pop()
        if sent.queue in self.held_queues:
            self.waiting.append(sent)
            return
        if sent.is_announcement:
            self._deliver_soon(sent)
            return
        if sent.deduplication_id in self._seen:  # as SQS does for five minutes
            return
        self._seen.add(sent.deduplication_id or "")
        if self.held:
            self.waiting.append(sent)
        else:
            self._deliver_soon(sent)

    def release(self) -> None:
        self.held = False
        self.held_queues.clear()
        while self.waiting:
            self._deliver_soon(self.waiting.popleft())

    async def settle(self) -> None:
        """Wait until all messages are handled, and all that they cause, except held ones."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _deliver_soon(self, sent: Sent) -> None:
        task = asyncio.create_task(self.deliver(sent))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
