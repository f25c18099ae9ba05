"""Stream documents as server-sent events whenever they change."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiohttp import web
from redis.exceptions import RedisError

from chassis.views.read_models import Document, ReadModelsLost
from gateway.http.change_feed import ChangeFeed
from gateway.http.problems import Problem, malformed
from gateway.http.responses import Response
from gateway.http.routing import RequestContext

HEARTBEAT_SECONDS: Final = 15.0
"""Seconds between signs of life: shorter than any proxy's idle timeout; also looks for changes."""
SLOW_SECONDS: Final = 10.0
"""Seconds after which a client that reads nothing is disconnected; it can reconnect."""
MAX_OPEN: Final = 3
RETRY_MILLISECONDS: Final = 2_000
_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """Describe a document that an event stream follows."""

    stream: str
    load: Callable[[], Awaitable[Document[Any] | None]]
    event: bytes
    """Name of the events."""
    is_final: Callable[[Document[Any]], bool] = lambda _document: False
    """Return whether this document will not change any more."""


@dataclass(slots=True)
class EventStreams:
    """Serve event streams, a limited number per person and process."""

    changes: ChangeFeed
    max_open: int = MAX_OPEN
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is about to end, so that streams do not delay it."""
    _open: Counter[str] = field(default_factory=Counter)

    @property
    def open(self) -> int:
        """Number of open streams."""
        return self._open.total()

    async def close(self, _app: web.Application) -> None:
        """End all streams."""
        self.closing.set()

    async def serve(
        self, context: RequestContext, subject: Subject
    ) -> Response | web.StreamResponse:
        """Send a document whenever it changes, beginning after `Last-Event-ID`.

        An event contains the document as it is, and its id is the document's version: a client that
        reconnects may miss steps in between, never the last state. A final document ends the
        stream; a client that reconnects to it receives 204, on which browsers stop. While the
        document cannot be loaded the stream stays open: its status has already been sent.

        Raises:
            Problem: 429 if the caller has too many open streams.
        """
        seen = _last_event_id(context.request)
        if context.is_head:
            return web.StreamResponse(headers=_HEADERS)
        with self._slot(context.caller.subject), self.changes.watch(subject.stream) as change:
            document = await subject.load()
            if document is not None and document.version <= seen and subject.is_final(document):
                return Response(204, headers={"Cache-Control": "no-store"})
            response = web.StreamResponse(headers=_HEADERS)
            await response.prepare(context.request)
            with contextlib.suppress(ConnectionResetError, TimeoutError):
                await self._follow(context, subject, response, seen, change)
            return response

    async def _follow(
        self,
        context: RequestContext,
        subject: Subject,
        response: web.StreamResponse,
        seen: int,
        change: asyncio.Event,
    ) -> None:
        disconnected = self._disconnected(context.request)
        await _write(response, b"retry: %d\n\n" % RETRY_MILLISECONDS)
        while not (disconnected.is_set() or self.closing.is_set() or context.caller_expired()):
            document = await _load(subject)
            if document is not None and document.version > seen:
                seen = document.version
                await _write(response, _event(subject.event, document))
            if document is not None and subject.is_final(document):
                break
            await _wait(response, change, disconnected, self.closing)
            change.clear()

    @contextlib.contextmanager
    def _slot(self, person: str) -> Iterator[None]:
        if self._open[person] >= self.max_open:
            detail = f"You can have {self.max_open} event streams open at a time. Close one first."
            raise Problem(429, "too_many_streams", detail, {"Retry-After": "5"})
        self._open[person] += 1
        try:
            yield
        finally:
            self._open[person] -= 1
            if not self._open[person]:
                del self._open[person]

    def _disconnected(self, request: web.Request) -> asyncio.Event:
        """Return an event that is set when the client has disconnected, if the server knows."""
        disconnected: asyncio.Event = getattr(request.protocol, "disconnected", self.closing)
        return disconnected


async def _load(subject: Subject) -> Document[Any] | None:
    try:
        return await subject.load()
    except (RedisError, ReadModelsLost) as error:
        log.warning("event_stream_delayed", because=str(error) or type(error).__name__)
        return None


async def _wait(response: web.StreamResponse, *events: asyncio.Event) -> None:
    """Wait for one of the events; send a comment if there is none for a heartbeat."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    done, _ = await asyncio.wait(
        waits, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
    )
    for wait in waits:
        wait.cancel()
    if not done:
        await _write(response, b": heartbeat\n\n")


async def _write(response: web.StreamResponse, chunk: bytes) -> None:
    async with asyncio.timeout(SLOW_SECONDS):
        await response.write(chunk)


def _event(name: bytes, document: Document[Any]) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (document.version, name, document.body)


def _last_event_id(request: web.Request) -> int:
    raw = request.headers.get("Last-Event-ID", "0")
    if not raw.isascii() or not raw.isdigit() or len(raw) > 15:  # noqa: PLR2004  below 2^53
        raise malformed("Last-Event-ID must be the id of an event of this stream.")
    return int(raw)
