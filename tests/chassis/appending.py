"""Append events of counters to a store, as commands would."""

from uuid import uuid4

from chassis.log.event_store import EventStore, History, Origin
from tests.chassis.events import Counted, Named

Event = Counted | Named


async def append(
    store: EventStore[Event], stream: str, *events: Event, at_ms: int = 1
) -> History[Event]:
    """Append one commit at the head of the stream; return the complete stream."""
    origin = Origin(str(uuid4()), "body", "correlation", at_ms)
    await store.append(await store.head(stream), events, origin)
    return await store.load(stream)
