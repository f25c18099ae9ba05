"""Announce events to the services that subscribe to them, and read announcements."""

import asyncio
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import TypeAdapter

from chassis.bus.commands import (
    ACTOR,
    TRACEPARENT,
    Publisher,
    parse,
    read_metadata,
    require_known,
    type_tags,
)
from chassis.log.event_store import Commit
from contracts.messages import Event, Metadata
from contracts.subscription import Subscription

if TYPE_CHECKING:
    from faststream_sqs import SQSMessage

E = TypeVar("E", bound=Event)

EVENT_ID = "event-id"
BATCH = 10
"""Messages that fit into one SQS call, which keeps their order."""
_REACTION_NAMESPACE = uuid.UUID("6f1f4c1e-0a3b-5a57-9f0e-2f6d1a7f0c11")


def announcements_queue(stack: str, service: str) -> str:
    """Return the name of the FIFO queue that holds the events announced to a service."""
    return f"{stack}-{service}-announcements.fifo"


@dataclass(frozen=True, slots=True)
class Announcement(Generic[E]):
    """Describe one event on its way to one subscriber."""

    commit: Commit[E]
    version: int
    event: E
    subscriber: str

    @property
    def event_id(self) -> str:
        """Return the event's place in the log, `<stream>@<version>`."""
        return f"{self.commit.stream}@{self.version}"


@dataclass(frozen=True, slots=True)
class Announcer(Generic[E]):
    """Publish events to the queues of their subscribers."""

    publisher: Publisher
    stack: str
    """Prefix of the names of the queues."""
    subscribers: Mapping[type[Event], Sequence[str]]
    """Event class -> names of the subscribing services."""

    async def announce(
        self, commit: Commit[E], traceparent: str | None = None, *, only: str | None = None
    ) -> int:
        """Publish the events of a commit; return how many messages that were.

        `only` restricts the announcement to one subscriber. Announcing twice is harmless:
        subscribers recognise the event's id. Messages are sent in the order of the events, except
        that a message that fails inside a batch follows its neighbours; reactions to events of
        one commit must not depend on each other.
        """
        announcements = list(self.announcements(commit, only=only))
        if len(announcements) == 1:  # as usual: no task is needed
            await self._publish(announcements[0], traceparent)
            return 1
        for first in range(0, len(announcements), BATCH):
            batch = announcements[first : first + BATCH]
            await asyncio.gather(*(self._publish(each, traceparent) for each in batch))
        return len(announcements)

    def announcements(
        self, commit: Commit[E], *, only: str | None = None
    ) -> Iterator[Announcement[E]]:
        """Yield who is to receive which event of a commit."""
        for version, event in enumerate(commit.events, start=commit.first):
            for subscriber in self.subscribers.get(type(event), ()):
                if only is None or subscriber == only:
                    yield Announcement(commit, version, event, subscriber)

    async def _publish(self, announcement: Announcement[E], traceparent: str | None) -> None:
        origin, event = announcement.commit.origin, announcement.event
        await self.publisher.publish(
            event.model_dump(mode="json"),
            announcements_queue(self.stack, announcement.subscriber),
            headers={EVENT_ID: announcement.event_id}
            | ({ACTOR: origin.actor} if origin.actor else {})
            | ({TRACEPARENT: traceparent} if traceparent else {}),
            correlation_id=origin.correlation_id,
            group_id=event.subject_stream or announcement.commit.stream,
            deduplication_id=announcement.event_id,
        )


@dataclass(frozen=True, slots=True)
class IncomingEvent(Generic[E]):
    """Hold an announced event that a subscriber has received."""

    event: E
    metadata: Metadata
    """For the command that the reaction sends. Its id follows from the event's id, so that one
    event leads to one command however often it is delivered."""
    redelivered: bool


class EventReader(Generic[E]):
    """Parse messages as the events that a service subscribes to."""

    def __init__(self, subscription: Subscription) -> None:
        """Create a reader of the subscription's events."""
        self._adapter: TypeAdapter[E] = TypeAdapter(subscription.tagged)
        self._types = type_tags(subscription.events)

    def read(self, message: "SQSMessage") -> IncomingEvent[E]:
        """Return the event in a message.

        Raises:
            UnreadableMessage: it is not one of the events, or its id is missing.
            UnknownMessage: it is an event of a type that this version does not know.
        """
        require_known(message, self._types, EVENT_ID)
        event = parse(self._adapter, message)
        command_id = str(uuid.uuid5(_REACTION_NAMESPACE, message.headers[EVENT_ID]))
        return IncomingEvent(
            event=event,
            metadata=read_metadata(message, command_id, EVENT_ID),
            redelivered=message.receive_count > 1,
        )
