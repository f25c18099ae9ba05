"""A service from its declaration: what it opens, how it starts, serves and stops."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import aioboto3
import structlog
from botocore.config import Config
from faststream.exceptions import RejectMessage

from chassis.bus.announcements import Announcer, announcements_queue
from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import Unreadable, commands_queue
from chassis.bus.outcomes import Outcomes
from chassis.bus.tracing import tracing_middleware
from chassis.decide.decider import Decider
from chassis.decide.repository import Repository, Snapshots
from chassis.log.codec import Codec
from chassis.log.dynamodb import DynamoDBEventStore
from chassis.log.event_store import EventStore
from chassis.run.health import start_health_server
from chassis.run.metrics import ServiceMetrics
from chassis.run.settings import ServiceSettings
from chassis.run.tracing import open_traces
from chassis.views.projection import ReadModel
from chassis.views.projector import Projector
from chassis.views.rebuild.run import Rebuilder
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.messages import Command, Event
from faststream_sqs import SQSBroker, SQSMessage
from faststream_sqs.subscriber.usecase import SQSDefaultSubscriber
from redis_batching.connection import connect

if TYPE_CHECKING:
    from tracing.spans import Traces

S = TypeVar("S")
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)
T = TypeVar("T")

SEND_LINGER_SECONDS = 0.05
ACK_LINGER_SECONDS = 0.25
"""Under load, how long an announcement and a delete wait for others to share a call with."""
_REDIS = {"db.system.name": "redis"}

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Definition(Generic[S, C, E]):
    """What a service declares about itself."""

    name: str
    decider: Decider[S, C, E]
    codec: Codec[E]
    models: Sequence[ReadModel[E]]
    announces: Mapping[type[Event], Sequence[str]] = field(default_factory=dict)
    """Event class -> names of the services that want to hear of it."""
    snapshots: Snapshots[S] | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """What a process opens once: clients are made here and nowhere else."""

    dynamodb: Any
    redis: Any
    broker: SQSBroker


@dataclass(frozen=True, slots=True)
class Application(Generic[S, C, E]):
    """The parts of a running service."""

    definition: Definition[S, C, E]
    settings: ServiceSettings
    resources: Resources
    store: EventStore[E]
    handler: CommandHandler[S, C, E]
    rebuilder: Rebuilder[E]
    background: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)
    """What works beside the commands, for ever; an end of it is a surprise."""
    traces: "Traces | None" = None

    @property
    def commands(self) -> SQSDefaultSubscriber:
        """Subscribes a handler to this service's commands."""
        return self._subscriber(commands_queue(self.settings.stack, self.definition.name))

    @property
    def announcements(self) -> SQSDefaultSubscriber:
        """Subscribes a handler to the events that others announce to this service."""
        return self._subscriber(announcements_queue(self.settings.stack, self.definition.name))

    def _subscriber(self, queue: str) -> SQSDefaultSubscriber:
        return self.resources.broker.subscriber(
            queue,
            max_workers=self.settings.max_workers,
            wait_time_seconds=self.settings.receive_wait_seconds,
        )


@contextlib.asynccontextmanager
async def open_resources(settings: ServiceSettings) -> AsyncIterator[Resources]:
    """Clients for the time of the context; nothing is contacted yet."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5},
        max_pool_connections=64,
        # a tenth of a command's CPU went into these two
        parameter_validation=False,
        user_agent=settings.stack,
    )
    redis = connect(settings.redis_url)
    async with (
        aioboto3.Session().client("dynamodb", config=config) as dynamodb,
        contextlib.aclosing(redis),
    ):
        broker = SQSBroker(
            reject="dlq",
            send_linger=SEND_LINGER_SECONDS,
            ack_linger=ACK_LINGER_SECONDS,
            logger=logging.getLogger("faststream_sqs"),
            log_level=logging.DEBUG,
        )
        yield Resources(dynamodb, redis, broker)


def assemble(
    definition: Definition[S, C, E], settings: ServiceSettings, resources: Resources
) -> Application[S, C, E]:
    """Everything between a service's queue and its read models."""
    table = f"{settings.stack}-{definition.name}"
    store: EventStore[E] = DynamoDBEventStore(
        resources.dynamodb,
        events=f"{table}-events",
        meta=f"{table}-meta",
        codec=definition.codec,
    )
    projector = Projector(resources.redis, store, definition.name, definition.models)
    outcomes = Outcomes(resources.redis)
    rebuilder = Rebuilder(projector)
    traces = open_traces(settings, definition.name)
    if traces is not None:
        resources.broker.add_middleware(tracing_middleware(traces))
        log_table = {"db.system.name": "aws.dynamodb", "db.collection.name": f"{table}-events"}
        store = traces.instrument(store, log_table, load="load", append="append")
        projector = traces.instrument(projector, _REDIS, project="project")
        outcomes = traces.instrument(outcomes, _REDIS, put="outcome")
    listeners = {
        event: [announcements_queue(settings.stack, service) for service in services]
        for event, services in definition.announces.items()
    }
    handler = CommandHandler(
        repository=Repository(store, definition.decider, definition.snapshots),
        projector=projector,
        announcer=Announcer(resources.broker, listeners),
        outcomes=outcomes,
    )
    return Application(definition, settings, resources, store, handler, rebuilder, traces=traces)


def read_or_reject(read: Callable[[SQSMessage], T], message: SQSMessage) -> T:
    """What a message says; one that no redelivery can make readable goes to the dead letters.

    Its group goes on at once: a stranger's message must not hold up a stream.
    """
    try:
        return read(message)
    except Unreadable as error:
        log.error(  # noqa: TRY400  the reason is told, a traceback adds nothing
            "message_unreadable",
            message_id=message.message_id,
            group=message.group_id,
            because=str(error),
        )
        raise RejectMessage from error


async def serve(application: Application[S, C, E]) -> None:
    """Heal the read models, take commands, and stop in order on SIGTERM or SIGINT."""
    async with application.traces or contextlib.nullcontext():
        await _serve(application)


async def _serve(application: Application[S, C, E]) -> None:
    settings, broker = application.settings, application.resources.broker

    async def read_models() -> bool:
        return not await ReadModelWatcher(application.rebuilder.projector).unserved()

    async def queue() -> bool:
        return broker.running and await broker.ping(timeout=2)

    checks = {"read models": read_models, "queue": queue}
    metrics = ServiceMetrics(application.rebuilder)
    health = await start_health_server(
        settings.health_host, settings.health_port, checks, metrics.exposition
    )
    try:
        await _until_signalled(_work(application))
    finally:
        await broker.stop()
        await health.cleanup()
        log.info("service_stopped")


async def _work(application: Application[S, C, E]) -> None:
    async with asyncio.TaskGroup() as group:
        watcher = ReadModelWatcher(application.rebuilder.projector)
        group.create_task(watcher.run(), name="read-model-watch")
        await application.resources.broker.start()
        for work in application.background:
            group.create_task(work(), name=getattr(work, "__name__", "background"))
        log.info("service_started", health_port=application.settings.health_port)


async def _until_signalled(work: Coroutine[Any, Any, None]) -> None:
    """Work until SIGTERM or SIGINT, also while starting; an end of the work is a surprise."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    working = asyncio.create_task(work, name="work")
    signalled = asyncio.create_task(stopped.wait(), name="signal")
    await asyncio.wait([working, signalled], return_when=asyncio.FIRST_COMPLETED)
    for task in (working, signalled):
        task.cancel()
    await asyncio.wait([working, signalled])
    if not working.cancelled():
        working.result()
