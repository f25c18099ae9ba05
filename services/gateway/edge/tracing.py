"""A span around a request that is chosen to be traced, and nothing at all around the others."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from gateway.edge.health import PROBES
from gateway.http.routing import REQUEST_INFO
from tracing.traceparent import is_sampled, valid_traceparent

if TYPE_CHECKING:
    from tracing.spans import Span, Traces

ASKED_PER_SECOND: Final = 1.0
ASKED_AT_ONCE: Final = 10.0
"""How many traces a process makes because callers ask for them, whatever their number."""
SERVER_ERROR: Final = 500
_METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)


@dataclass(slots=True)
class Allowance:
    """So much a second, and a little at once."""

    per_second: float = ASKED_PER_SECOND
    most: float = ASKED_AT_ONCE
    clock: Callable[[], float] = time.monotonic
    _left: float = ASKED_AT_ONCE
    _at: float = 0.0

    def take(self) -> bool:
        now = self.clock()
        self._left = min(self.most, self._left + (now - self._at) * self.per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(frozen=True, slots=True)
class Requests:
    """Chooses before anything is made: by chance, and now and then because a caller asks.

    Not by the trace id and not by the caller's flag alone: both are the caller's to choose, and
    whoever chose them well would have every request recorded.
    """

    traces: "Traces"
    asked: Allowance = field(default_factory=Allowance)

    def begin(self, request: web.Request) -> "Span | None":
        """None, unless this request is traced."""
        offered = request.headers.get("traceparent")
        if self.traces.should_trace() or (offered is not None and self._asked(offered)):
            return self._begin(request, valid_traceparent(offered))
        return None

    def _asked(self, offered: str) -> bool:
        parent = valid_traceparent(offered)
        if parent is None or not is_sampled(parent) or not self.traces.share:
            return False
        return self.asked.take()

    def _begin(self, request: web.Request, parent: str | None) -> "Span | None":
        if request.path in PROBES:
            return None
        method = request.method if request.method in _METHODS else "_OTHER"
        attributes = {"http.request.method": method, "url.scheme": request.scheme}
        span = self.traces.start_span(_name(request), "server", attributes, parent)
        request[REQUEST_INFO].traceparent = span.traceparent
        structlog.contextvars.bind_contextvars(trace_id=span.trace_id)
        return span


def end(span: "Span", request: web.Request, route: str | None, status: int) -> None:
    """Named by the path's template, known by now: a path holds what is somebody's own."""
    if route is not None:
        span.rename(f"{_name(request)} {route}")
        span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= SERVER_ERROR:
        span.record_error(str(status))
    structlog.contextvars.unbind_contextvars("trace_id")
    span.end()


def _name(request: web.Request) -> str:
    return request.method if request.method in _METHODS else "HTTP"
