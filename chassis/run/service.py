"""Declare a service: the one place that names its commands, events, read models and handlers.

The running process, the command line, the local stack, the stacks on AWS, the description
of the bus and the tests derive what they need from the declaration.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from chassis.bus.announcements import IncomingEvent
from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import IncomingCommand
from chassis.decide.decider import Decider
from chassis.decide.streams import Snapshots
from chassis.log.codec import Codec
from chassis.log.event_store import EventStore
from chassis.run.resources import Resources
from chassis.run.settings import ServiceSettings
from chassis.views.projection import ReadModel
from chassis.views.rebuild.run import Rebuilder
from contracts.messages import Command, Event
from contracts.subscription import Subscription
from faststream_sqs import SQSMessage

if TYPE_CHECKING:
    import argparse

    from chassis.run.metrics import Families
    from tracing.spans import Traces

T = TypeVar("T", bound=ServiceSettings)
S = TypeVar("S")
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, kw_only=True, slots=True)
class Handlers:
    """Describe how a service handles its messages, in addition to deciding on its commands."""

    on_command: Callable[[IncomingCommand[Any]], Awaitable[object]] | None = None
    """Default: decide, append, project, announce, and store the outcome."""
    on_event: Callable[[IncomingEvent[Any]], Awaitable[object]] | None = None
    """Handles the events that the service subscribes to."""
    queues: Mapping[str, Callable[[SQSMessage], Awaitable[object]]] = field(default_factory=dict)
    """Further queue of the declaration -> its handler."""
    background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    """Tasks that run as long as the process, such as a schedule."""
    metrics: "Sequence[Families]" = ()
    """Further metrics, of this service alone."""


@dataclass(frozen=True, slots=True)
class Application(Generic[T, S, C, E]):
    """Hold the assembled parts of a service."""

    service: "Service[T, S, C, E]"
    settings: T
    resources: Resources
    store: EventStore[E]
    handler: CommandHandler[S, C, E]
    rebuilder: Rebuilder[E]
    traces: "Traces | None" = None


@dataclass(frozen=True, slots=True)
class OperatorCommand:
    """Add a command to a service's command line."""

    name: str
    help: str
    arguments: Callable[["argparse.ArgumentParser"], None]
    run: Callable[[Any, "argparse.Namespace"], Awaitable[int]]
    """Takes the `Application` and the arguments; returns the exit code."""


@asynccontextmanager
async def no_handlers(_application: Any) -> AsyncIterator[Handlers]:
    """Yield the handlers of a service that only decides on commands."""
    yield Handlers()


@dataclass(frozen=True, kw_only=True, slots=True)
class Service(Generic[T, S, C, E]):
    """Declare a service."""

    name: str
    """Prefix of its tables and queues, and its package."""
    settings: type[T]
    """What it reads from the environment; the default of `health_port` is its local port."""
    commands: Any
    """The union of the commands that it decides on."""
    decider: Decider[S, C, E] | Callable[[T], Decider[S, C, E]]
    """The decider of all its streams, or a function that makes it from the settings."""
    codec: Codec[E]
    """Reads and writes the events of its log."""
    read_models: Sequence[ReadModel[E]]
    subscription: Subscription | None = None
    """The events, its own or other services', that it reacts to."""
    sends: Sequence[type[Command]] = ()
    """The commands that it sends to queues, its own or other services'."""
    subscribers: Callable[[], Mapping[type[Event], Sequence[str]]] = dict
    """Returns who subscribes to the events of its log: event class -> names of services."""
    queues: Sequence[str] = ()
    """Further queues that it receives from, named `<stack>-<service>-<queue>`."""
    compose: Callable[[Application[T, S, C, E]], AbstractAsyncContextManager[Handlers]] = (
        no_handlers
    )
    """Opens what only this service needs, for as long as it runs, and yields its handlers."""
    operator_commands: Sequence[OperatorCommand] = ()
    snapshots: Snapshots[S] | None = None

    def decider_for(self, settings: T) -> Decider[S, C, E]:
        """Return the decider under these settings."""
        return self.decider if isinstance(self.decider, Decider) else self.decider(settings)
