"""Record a span around requests that are selected for tracing."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from chassis.run.health import PROBES
from gateway.http.routing import REQUEST_INFO
from tracing.traceparent import is_sampled, valid_traceparent

if TYPE_CHECKING:
    from tracing.spans import Span, Traces  # loads OpenTelemetry, which most processes never do

REQUESTED_PER_SECOND: Final = 1.0
REQUESTED_AT_ONCE: Final = 10.0
"""Traces that a process records because callers request them, in total."""
SERVER_ERROR: Final = 500
_METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)


@dataclass(slots=True)
class Allowance:
    """Allow a number of events per second, and a few at once."""

    per_second: float = REQUESTED_PER_SECOND
    most: float = REQUESTED_AT_ONCE
    clock: Callable[[], float] = time.monotonic
    _left: float = REQUESTED_AT_ONCE
    _at: float = 0.0

    def take(self) -> bool:
        """Return whether another event is allowed, and count it."""
        now = self.clock()
        self._left = min(self.most, self._left + (now - self._at) * self.per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(frozen=True, slots=True)
class RequestTracing:
    """Select requests before any span is created: at random, and a few that callers request.

    Neither the trace id nor the caller's flag alone decides: a caller controls both, and could have
    every request recorded.
    """

    traces: "Traces"
    requested: Allowance = field(default_factory=Allowance)

    def start(self, request: web.Request) -> "Span | None":
        """Start the request's span; None unless the request is selected."""
        offered = request.headers.get("traceparent")
        if self.traces.should_trace() or (offered is not None and self._may_request(offered)):
            return self._start(request, valid_traceparent(offered))
        return None

    def _may_request(self, offered: str) -> bool:
        parent = valid_traceparent(offered)
        if parent is None or not is_sampled(parent) or not self.traces.share:
            return False
        return self.requested.take()

    def _start(self, request: web.Request, parent: str | None) -> "Span | None":
        if request.path in PROBES:
            return None
        method = request.method if request.method in _METHODS else "_OTHER"
        attributes = {"http.request.method": method, "url.scheme": request.scheme}
        span = self.traces.start_span(_name(request), "server", attributes, parent)
        request[REQUEST_INFO].traceparent = span.traceparent
        structlog.contextvars.bind_contextvars(trace_id=span.trace_id)
        return span


def end_span(span: "Span", request: web.Request, route: str | None, status: int) -> None:
    """End a request's span, named by the path template: a path may contain personal data."""
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
