"""Events told to other services: published beside the log, heard as messages."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import TypeAdapter

from chassis.bus.commands import (
    ACTOR,
    TRACEPARENT,
    Publisher,
    Unreadable,
    parse,
    read_metadata,
)
from chassis.log.event_store import Commit
from contracts.messages import Event, Metadata

if TYPE_CHECKING:
    from faststream_sqs import SQSMessage

E = TypeVar("E", bound=Event)

EVENT_ID = "event-id"
BATCH = 10
"""What fits into one call; inside of a batch SQS keeps the order."""
_REACTION = uuid.UUID("6f1f4c1e-0a3b-5a57-9f0e-2f6d1a7f0c11")
"""Namespace of the command ids that reactions to events take."""


def announcements_queue(stack: str, service: str) -> str:
    return f"{stack}-{service}-announcements.fifo"


@dataclass(frozen=True, slots=True)
class Announcer(Generic[E]):
    """Publishes the events that other services care for."""

    publisher: Publisher
    listeners: Mapping[type[Event], Sequence[str]]
    """Event class -> queues of the services that want to hear of it."""

    async def announce(self, commit: Commit[E], traceparent: str | None = None) -> None:
        """Tell of a commit; telling twice is harmless, for listeners know the event's id.

        In the order of the events, but for one case: if one of a batch fails and is sent again, it
        comes after its neighbours. Reactions to the events of one commit must not lean on each
        other.
        """
        told = [
            (version, event, queue)
            for version, event in enumerate(commit.events, start=commit.first)
            for queue in self.listeners.get(type(event), ())
        ]
        for first in range(0, len(told), BATCH):
            batch = told[first : first + BATCH]
            await asyncio.gather(*(self._tell(commit, traceparent, *each) for each in batch))

    async def _tell(
        self, commit: Commit[E], traceparent: str | None, version: int, event: E, queue: str
    ) -> None:
        event_id = f"{commit.stream}@{version}"
        await self.publisher.publish(
            event.model_dump(mode="json"),
            queue,
            headers={EVENT_ID: event_id}
            | ({ACTOR: commit.origin.actor} if commit.origin.actor else {})
            | ({TRACEPARENT: traceparent} if traceparent else {}),
            correlation_id=commit.origin.correlation_id,
            group_id=event.subject_stream or commit.stream,
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
        event = parse(self._adapter, message)
        if EVENT_ID not in message.headers:
            raise Unreadable(f"the message attribute {EVENT_ID} is missing")
        command_id = str(uuid.uuid5(_REACTION, message.headers[EVENT_ID]))
        return IncomingEvent(
            event=event,
            metadata=read_metadata(message, command_id, EVENT_ID),
            redelivered=message.receive_count > 1,
        )
