"""Assemble a service from its declaration: everything between its queues and its read models."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from chassis.bus.announcements import Announcer, EventReader, announcements_queue
from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import CommandReader, commands_queue
from chassis.bus.outcomes import Outcomes
from chassis.bus.tracing import tracing_middleware
from chassis.decide.repository import Repository
from chassis.run.deliveries import Deliveries
from chassis.run.resources import Resources
from chassis.run.service import Application, Handlers, Service
from chassis.run.settings import ServiceSettings
from chassis.run.tracing import open_traces
from chassis.views.projector import Projector
from chassis.views.rebuild.run import Rebuilder
from contracts.messages import Command, Event
from faststream_sqs import SQSMessage

if TYPE_CHECKING:
    from chassis.log.event_store import EventStore

T = TypeVar("T", bound=ServiceSettings)
S = TypeVar("S")
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)
R = TypeVar("R")

_REDIS = {"db.system.name": "redis"}


def assemble(
    service: Service[T, S, C, E], settings: T, resources: Resources
) -> Application[T, S, C, E]:
    """Return the parts of a service. Nothing is contacted and nothing is received yet."""
    store: EventStore[E] = resources.open_store(service.name, service.codec)
    projector = Projector(resources.redis, store, service.name, service.read_models)
    outcomes = Outcomes(resources.redis)
    rebuilder = Rebuilder(projector)
    traces = open_traces(settings, service.name)
    if traces is not None:
        resources.broker.add_middleware(tracing_middleware(traces))
        table = settings.log_tables(service.name).events
        attributes = {"db.system.name": "aws.dynamodb", "db.collection.name": table}
        store = traces.instrument(
            store, attributes, load="load", load_newest="load", append="append"
        )
        projector = traces.instrument(projector, _REDIS, project="project")
        outcomes = traces.instrument(outcomes, _REDIS, put="outcome")
    handler = CommandHandler(
        repository=Repository(
            store, service.decider_for(settings), service.snapshots, resources.now
        ),
        projector=projector,
        announcer=Announcer(resources.sending, settings.stack, service.subscribers()),
        outcomes=outcomes,
    )
    return Application(service, settings, resources, store, handler, rebuilder, traces)


def subscribe(application: Application[T, S, C, E], handlers: Handlers) -> None:
    """Subscribe the handlers to the queues that the service declares.

    Raises:
        TypeError: a declared queue has no handler, or a handler no declared queue.
    """
    service, stack = application.service, application.settings.stack
    commands = CommandReader[C](service.commands)
    on_command = handlers.on_command or application.handler.handle
    _receive(application, commands_queue(stack, service.name), commands.read, on_command)
    if (service.subscription is None) != (handlers.on_event is None):
        raise TypeError(f"{service.name}: a subscription needs on_event, and on_event needs one")
    if service.subscription is not None and handlers.on_event is not None:
        events = EventReader[Any](service.subscription)
        queue = announcements_queue(stack, service.name)
        _receive(application, queue, events.read, handlers.on_event)
    if set(service.queues) != set(handlers.queues):
        raise TypeError(f"{service.name}: the queues {service.queues} need one handler each")
    for queue, handle in handlers.queues.items():
        _receive(application, f"{stack}-{service.name}-{queue}", lambda message: message, handle)


def _receive(
    application: Application[Any, Any, Any, Any],
    queue: str,
    read: Callable[[SQSMessage], R],
    handle: Callable[[R], Awaitable[object]],
) -> None:
    settings = application.settings
    subscriber = application.resources.broker.subscriber(
        queue,
        max_workers=settings.max_workers,
        wait_time_seconds=settings.receive_wait_seconds,
        decoder=_itself,
    )

    deliveries = Deliveries(queue, application.resources.redis, read, handle)

    @subscriber
    async def on_message(message: SQSMessage) -> None:
        await deliveries.on_message(message)


async def _itself(message: SQSMessage) -> SQSMessage:
    """Pass the message on: `read` parses its body, once."""
    return message
