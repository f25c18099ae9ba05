"""Stream documents as server-sent events whenever they change."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiohttp import web
from redis.exceptions import RedisError

from chassis.views.read_models import ReadModelsLost
from cognito_jwt import RevocationList
from gateway.http.change_feed import ChangeFeed, Watcher
from gateway.http.event_ids import (
    Position,
    Seen,
    event_id,
    last_event_id,
    of_another_stream,
)
from gateway.http.event_topics import State, Topic
from gateway.http.open_streams import OpenStream, OpenStreams, close_if_unacknowledged
from gateway.http.responses import Response
from gateway.http.routing import RequestContext

HEARTBEAT_SECONDS: Final = 15.0
"""Seconds between signs of life: shorter than any proxy's idle timeout."""
SLOW_SECONDS: Final = 10.0
"""Seconds after which a client that reads nothing is disconnected; it can reconnect."""
RETRY_MILLISECONDS: Final = 2_000
SUPERSEDED: Final = b"retry: 60000\n\nevent: superseded\ndata: {}\n\n"
"""Last event of a stream that gives way to a newer one.

The client waits longer before it reconnects: two clients must not end each other in turn.
"""
_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class EventStreams:
    """Serve event streams, a limited number per person and process."""

    changes: ChangeFeed
    revocations: RevocationList
    streams: OpenStreams = field(default_factory=OpenStreams)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is about to end, so that streams do not delay it."""

    @property
    def open(self) -> int:
        """Number of open streams."""
        return len(self.streams)

    async def close(self, _app: web.Application) -> None:
        """End all streams."""
        self.closing.set()

    def end_revoked(self) -> None:
        """End the streams whose tokens have been revoked."""
        for stream in self.streams:
            if self.revocations.is_revoked(stream.caller):
                stream.ended.set()

    async def serve(
        self, context: RequestContext, followed: str, topics: Sequence[Topic]
    ) -> Response | web.StreamResponse:
        """Send each topic's state whenever it changes, beginning after `Last-Event-ID`.

        A client that reconnects may miss states in between, never the last one. A topic whose state
        is final ends the stream; a client that reconnects to it receives 204, on which browsers
        stop. While a state cannot be loaded the stream stays open: its status has already been
        sent. If the person has too many streams open, the oldest ends.

        Args:
            context: The request.
            followed: Stream of the log that the topics show; ids are valid for it only.
            topics: What to send; the first is the one that ids of earlier builds are about.

        Raises:
            Problem: 400 if `Last-Event-ID` is not the id of an event of this stream.
        """
        seen = last_event_id(context.request, followed, [topic.name for topic in topics])
        if context.is_head:
            return web.StreamResponse(headers=_HEADERS)
        states = [await topic.load() for topic in topics]
        sending = _Sending(context, followed, topics, _checked(seen, topics, states))
        if sending.is_complete(states):
            return Response(204, headers={"Cache-Control": "no-store"})
        with self.streams.add(context.caller) as stream, self.changes.watch_several() as watcher:
            close_if_unacknowledged(context.request)
            sending.response = web.StreamResponse(headers=_HEADERS)
            await sending.response.prepare(context.request)
            with contextlib.suppress(ConnectionError, TimeoutError):
                await self._follow(sending, stream, watcher)
            return sending.response

    async def _follow(self, sending: "_Sending", stream: OpenStream, watcher: Watcher) -> None:
        disconnected = self._disconnected(sending.context.request)
        ends = (stream.ended, disconnected, self.closing)
        await sending.write(b"retry: %d\n\n" % RETRY_MILLISECONDS)
        watcher.follow({sending.followed})
        if self.revocations.is_revoked(stream.caller):  # while the states were loaded
            return
        while not any(end.is_set() for end in ends) and not sending.context.caller_expired():
            watcher.changed.clear()
            states = [await _load(topic) for topic in sending.topics]
            watcher.follow({sending.followed}.union(*(s.streams for s in states if s is not None)))
            await sending.send(states)
            if any(state is not None and state.is_final for state in states):
                return
            await sending.wait(watcher.changed, *ends)
        if stream.superseded:
            await sending.write(SUPERSEDED)

    def _disconnected(self, request: web.Request) -> asyncio.Event:
        """Return an event that is set when the client has disconnected, if the server knows."""
        disconnected: asyncio.Event = getattr(request.protocol, "disconnected", self.closing)
        return disconnected


@dataclass(slots=True)
class _Sending:
    """Send the states of topics to one client."""

    context: RequestContext
    followed: str
    topics: Sequence[Topic]
    positions: dict[str, Position]
    """What the client has received, by topic."""
    response: web.StreamResponse = field(default_factory=web.StreamResponse)
    _bodies: dict[str, bytes] = field(default_factory=dict)
    _written_at: float = 0.0

    def is_complete(self, states: Sequence[State | None]) -> bool:
        """Return whether the client has a final state, after which nothing will follow."""
        return any(
            state is not None
            and state.is_final
            and not topic.is_news(state, self.positions.get(topic.name, ()))
            for topic, state in zip(self.topics, states, strict=True)
        )

    async def send(self, states: Sequence[State | None]) -> None:
        """Send the states that are new to the client."""
        for topic, state in zip(self.topics, states, strict=True):
            if state is None or not topic.is_news(state, self.positions.get(topic.name, ())):
                continue
            self.positions[topic.name] = state.position
            if self._bodies.get(topic.name) != state.body:
                self._bodies[topic.name] = state.body
                number = event_id(self.followed, self.positions).encode()
                await self.write(
                    b"id: %b\nevent: %b\ndata: %b\n\n" % (number, topic.name.encode(), state.body)
                )

    async def wait(self, *events: asyncio.Event) -> None:
        """Wait for one of the events, or until it is time to look; send a comment if due."""
        waits = [asyncio.create_task(event.wait()) for event in events]
        await asyncio.wait(waits, timeout=self._pause(), return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if time.monotonic() - self._written_at >= HEARTBEAT_SECONDS:
            await self.write(b": heartbeat\n\n")

    def _pause(self) -> float:
        """Return the seconds until the next heartbeat, look, or the end of the caller's token."""
        heartbeat = self._written_at + HEARTBEAT_SECONDS - time.monotonic()
        expiry = self.context.caller.expires_at - time.time()
        looks = [topic.look_seconds for topic in self.topics if topic.look_seconds is not None]
        return max(min(heartbeat, expiry, *looks), 0.0)

    async def write(self, chunk: bytes) -> None:
        """Write to the client.

        Raises:
            TimeoutError: it reads too slowly.
            ConnectionError: it has disconnected.
        """
        async with asyncio.timeout(SLOW_SECONDS):
            await self.response.write(chunk)
        self._written_at = time.monotonic()


async def _load(topic: Topic) -> State | None:
    try:
        return await topic.load()
    except (RedisError, ReadModelsLost) as error:
        because = str(error) or type(error).__name__
        log.warning("event_stream_delayed", topic=topic.name, because=because)
        return None


def _checked(
    seen: Seen, topics: Sequence[Topic], states: Sequence[State | None]
) -> dict[str, Position]:
    """Return the positions that the client has; those ahead of what exists are forgotten.

    A read model that is behind, for instance after a failover, may show an earlier state for a
    moment: the client is sent that state, and the later one again.

    Raises:
        Problem: 400 if a number alone, which may be of another account, is ahead.
    """
    positions = dict(seen.positions)
    for topic, state in zip(topics, states, strict=True):
        current = () if state is None else state.position
        if topic.is_ordered and seen.of(topic.name) > current:
            if not seen.scoped:
                raise of_another_stream()
            del positions[topic.name]
    return positions
