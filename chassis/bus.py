"""Commands and announced events as messages: what goes into body, attributes and FIFO group."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from chassis.codec import body_hash
from chassis.event_store import Commit
from contracts.messages import Command, Event, Metadata

if TYPE_CHECKING:
    from chassis.sqs import SQSMessage

C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)

COMMAND_ID = "command-id"
CAUSATION_ID = "causation-id"
ACTOR = "actor"
TRACEPARENT = "traceparent"
BODY_HASH = "body-hash"
EVENT_ID = "event-id"

_REACTION = uuid.UUID("6f1f4c1e-0a3b-5a57-9f0e-2f6d1a7f0c11")
"""Namespace of the command ids that reactions to events take."""


class Unreadable(Exception):  # noqa: N818  names what happened
    """A message that no redelivery can turn into a command or an event of ours."""


class Publisher(Protocol):
    """The part of SQSBroker that is needed here."""

    async def publish(
        self,
        message: Any = None,
        queue: str = "",
        *,
        headers: dict[str, Any] | None = None,
        correlation_id: str | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
    ) -> Any: ...


def commands_queue(stack: str, service: str) -> str:
    return f"{stack}-{service}-commands.fifo"


def announcements_queue(stack: str, service: str) -> str:
    return f"{stack}-{service}-announcements.fifo"


@dataclass(frozen=True, slots=True)
class CommandSender:
    """Sends commands to the service that decides on them."""

    publisher: Publisher
    queues: Mapping[type[Command], str]
    """Command class -> name of its FIFO queue."""

    async def send(self, command: Command, metadata: Metadata) -> str:
        """Publish and return the digest of the body, by which a repetition is told.

        One FIFO group per stream keeps a stream's commands in order and lets streams run side by
        side; SQS drops a command id that it has seen within five minutes.
        """
        digest = body_hash(command)
        await self.publisher.publish(
            command.model_dump(mode="json"),
            self.queues[type(command)],
            headers=_headers(metadata) | {COMMAND_ID: metadata.command_id, BODY_HASH: digest},
            correlation_id=metadata.correlation_id,
            group_id=command.stream,
            deduplication_id=metadata.command_id,
        )
        return digest


@dataclass(frozen=True, slots=True)
class IncomingCommand(Generic[C]):
    command: C
    metadata: Metadata
    digest: str
    redelivered: bool


class CommandReader(Generic[C]):
    """Turns messages into one service's commands."""

    def __init__(self, commands: Any) -> None:
        self._adapter: TypeAdapter[C] = TypeAdapter(commands)

    def read(self, message: "SQSMessage") -> IncomingCommand[C]:
        """The command in a message.

        Raises:
            Unreadable: it is none of this service's commands, or it lacks its id.
        """
        command = _parse(self._adapter, message)
        if COMMAND_ID not in message.headers:
            raise Unreadable(f"the message attribute {COMMAND_ID} is missing")
        return IncomingCommand(
            command=command,
            metadata=_metadata(message, message.headers[COMMAND_ID], CAUSATION_ID),
            digest=message.headers.get(BODY_HASH) or body_hash(command),
            redelivered=message.receive_count > 1,
        )


@dataclass(frozen=True, slots=True)
class Announcer(Generic[E]):
    """Publishes the events that other services care for."""

    publisher: Publisher
    listeners: Mapping[type[Event], Sequence[str]]
    """Event class -> queues of the services that want to hear of it."""

    async def announce(self, commit: Commit[E]) -> None:
        """Tell of a commit; telling twice is harmless, for listeners know the event's id."""
        for version, event in enumerate(commit.events, start=commit.first):
            event_id = f"{commit.stream}@{version}"
            for queue in self.listeners.get(type(event), ()):
                await self.publisher.publish(
                    event.model_dump(mode="json"),
                    queue,
                    headers={EVENT_ID: event_id}
                    | ({ACTOR: commit.origin.actor} if commit.origin.actor else {}),
                    correlation_id=commit.origin.correlation_id,
                    group_id=commit.stream,
                    deduplication_id=event_id,
                )


@dataclass(frozen=True, slots=True)
class IncomingEvent(Generic[E]):
    event: E
    metadata: Metadata
    """For the command that the reaction sends: its id follows from the event's id, so that one
    event leads to one command however often it is heard."""
    redelivered: bool


class EventReader(Generic[E]):
    """Turns messages into the events that a service listens to."""

    def __init__(self, events: Any) -> None:
        self._adapter: TypeAdapter[E] = TypeAdapter(events)

    def read(self, message: "SQSMessage") -> IncomingEvent[E]:
        """The event in a message.

        Raises:
            Unreadable: it is none of these events, or it lacks its id.
        """
        event = _parse(self._adapter, message)
        if EVENT_ID not in message.headers:
            raise Unreadable(f"the message attribute {EVENT_ID} is missing")
        command_id = str(uuid.uuid5(_REACTION, message.headers[EVENT_ID]))
        return IncomingEvent(
            event=event,
            metadata=_metadata(message, command_id, EVENT_ID),
            redelivered=message.receive_count > 1,
        )


def _parse(adapter: TypeAdapter[Any], message: "SQSMessage") -> Any:
    try:
        return adapter.validate_json(message.body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise Unreadable(f"{where}: {first['msg']}") from error


def _headers(metadata: Metadata) -> dict[str, str]:
    optional = {
        CAUSATION_ID: metadata.causation_id,
        ACTOR: metadata.actor,
        TRACEPARENT: metadata.traceparent,
    }
    return {name: value for name, value in optional.items() if value is not None}


def _metadata(message: "SQSMessage", command_id: str, cause: str) -> Metadata:
    try:
        return Metadata(
            command_id=command_id,
            correlation_id=message.correlation_id or command_id,
            causation_id=message.headers.get(cause),
            actor=message.headers.get(ACTOR),
            traceparent=message.headers.get(TRACEPARENT),
        )
    except ValidationError as error:
        raise Unreadable(f"attributes: {error.errors()[0]['msg']}") from error
