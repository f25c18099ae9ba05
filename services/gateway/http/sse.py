"""Server-sent events: a page learns of changes without asking."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog
from aiohttp import web
from redis.exceptions import RedisError

from chassis.views.read_models import Document, ReadModelsLost
from gateway.http.problems import Problem, malformed
from gateway.http.routing import Answer, RequestContext

HEARTBEAT_SECONDS: Final = 15.0
"""Shorter than the idle timeout of any proxy in between; also a second look for changes."""
SLOW_SECONDS: Final = 10.0
"""A reader that takes nothing for so long is let go: it comes back with Last-Event-ID."""
MAX_OPEN: Final = 3
RETRY_MILLISECONDS: Final = 2_000
_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Lines:
    """How many event streams each person holds open in this process."""

    most: int = MAX_OPEN
    _open: Counter[str] = field(default_factory=Counter)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is about to end, so that no stream holds it up."""

    @property
    def open(self) -> int:
        return self._open.total()

    async def end(self, _app: web.Application) -> None:
        self.closing.set()

    @contextlib.contextmanager
    def one(self, person: str) -> Iterator[None]:
        """Holds one line open.

        Raises:
            Problem: 429 if the person holds as many as are allowed.
        """
        if self._open[person] >= self.most:
            detail = f"Only {self.most} event streams may be open at the same time."
            raise Problem(429, "too_many_streams", detail, {"Retry-After": "5"})
        self._open[person] += 1
        try:
            yield
        finally:
            self._open[person] -= 1
            if not self._open[person]:
                del self._open[person]


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event stream is about: a document that is told whenever it changes."""

    stream: str
    look: Callable[[], Awaitable[Document | None]]
    event: bytes
    """The name of its events."""
    over: Callable[[Document], bool] = lambda _document: False
    """Whether nothing will follow on this document."""


async def stream_me(context: RequestContext) -> Answer | web.StreamResponse:
    """The own account whenever it changes."""
    stream = f"member-{context.caller.subject}"
    look = partial(context.parts.referrals.document, "members", stream)
    return await stream_changes(context, Subject(stream, look, b"account"))


async def stream_changes(context: RequestContext, subject: Subject) -> Answer | web.StreamResponse:
    """A document whenever it changes, beginning with what Last-Event-ID has not seen.

    An event holds the document as it is, and its id is the version of that: whoever reconnects has
    missed steps in between at most, never the last state. A document that is over ends the stream;
    whoever comes back for more is answered 204, on which a browser stops to ask. What cannot be
    looked up for a while is told when it can be: the stream has begun, and can end with no status.
    """
    seen = _last_event_id(context.request)
    with (
        context.parts.lines.one(context.caller.subject),
        context.parts.changes.of(subject.stream) as change,
    ):
        first = await subject.look()
        if first is not None and first.version <= seen and subject.over(first):
            return Answer(204, headers={"Cache-Control": "no-store"})
        response = context.stream(_HEADERS)
        await response.prepare(context.request)
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            await _write(response, b"retry: %d\n\n" % RETRY_MILLISECONDS)
            while _goes_on(context):
                document = await _looked(subject)
                if document is not None and document.version > seen:
                    seen = document.version
                    await _write(response, _event(subject.event, document))
                if document is not None and subject.over(document):
                    break
                await _quiet(response, change, _gone(context), context.parts.lines.closing)
                change.clear()
        return response


async def _looked(subject: Subject) -> Document | None:
    try:
        return await subject.look()
    except (RedisError, ReadModelsLost) as error:
        log.warning("stream_waits", because=str(error) or type(error).__name__)
        return None


def _gone(context: RequestContext) -> asyncio.Event:
    """Set when the reader has hung up."""
    gone: asyncio.Event = getattr(context.request.protocol, "gone", context.parts.lines.closing)
    return gone


def _goes_on(context: RequestContext) -> bool:
    ended = _gone(context).is_set() or context.parts.lines.closing.is_set()
    return not (ended or context.caller_expired())


async def _quiet(response: web.StreamResponse, *ends: asyncio.Event) -> None:
    """Wait for one of the events, with a sign of life if there is none for a while."""
    waits = [asyncio.create_task(end.wait()) for end in ends]
    done, _ = await asyncio.wait(
        waits, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED
    )
    for wait in waits:
        wait.cancel()
    if not done:
        await _write(response, b": still here\n\n")


async def _write(response: web.StreamResponse, chunk: bytes) -> None:
    async with asyncio.timeout(SLOW_SECONDS):
        await response.write(chunk)


def _event(name: bytes, document: Document) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (document.version, name, document.body)


def _last_event_id(request: web.Request) -> int:
    raw = request.headers.get("Last-Event-ID", "0")
    if not raw.isascii() or not raw.isdigit() or len(raw) > 15:  # noqa: PLR2004  below 2^53
        raise malformed("Last-Event-ID is the id of an event that was sent here")
    return int(raw)
