"""Handle what all requests share: request id, error format, common headers, metrics and log."""

import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web
from multidict import istr
from structlog.contextvars import STRUCTLOG_KEY_PREFIX

from chassis.run.health import PROBES, Health
from gateway.edge.access_log import AccessLog
from gateway.edge.aiohttp_internals import Handler
from gateway.edge.cors import Cors
from gateway.edge.errors import problem_for
from gateway.edge.fast_response import SECURITY_HEADERS, FastResponse
from gateway.edge.metrics import Metrics
from gateway.edge.tracing import RequestTracing, end_span
from gateway.http.ids import request_id
from gateway.http.pages import problem_page
from gateway.http.requests import ClientDisconnected
from gateway.http.responses import problem_response
from gateway.http.routing import REQUEST_INFO, RequestInfo
from gateway.limits.rate_limit import add_headers

NO_ROUTE: Final = "none"
CLIENT_CLOSED_REQUEST: Final = 499
"""Status that counts requests whose client disconnected before the response."""
X_REQUEST_ID: Final = istr("X-Request-ID")
BOUND_REQUEST_ID: Final[ContextVar[str]] = ContextVar(STRUCTLOG_KEY_PREFIX + "request_id")
"""What `bind_contextvars(request_id=…)` would set for every log line, at a tenth of the time."""


@dataclass(frozen=True, slots=True)
class RequestMiddleware:
    """Wrap the application: every request and response passes through here."""

    metrics: Metrics
    cors: Cors
    health: Health
    access_log: AccessLog
    tracing: RequestTracing | None = None

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Return the response to a request; an exception becomes an error response."""
        started = time.perf_counter()
        info = RequestInfo(request_id(request.headers.get(X_REQUEST_ID)))
        request[REQUEST_INFO] = info
        BOUND_REQUEST_ID.set(info.id)
        span = None if self.tracing is None else self.tracing.start(request)
        response: web.StreamResponse | None = self.cors.preflight(request)
        if response is None:
            try:
                response = await handler(request)
            except Exception as error:  # noqa: BLE001  no exception may leave without a response
                response = _response_to(error, request, info)
        if not response.prepared:
            self._add_headers(request, response, info)
        if info.route is None:
            info.route = _template(request)
        self._record(request, response, info, time.perf_counter() - started)
        if span is not None:
            end_span(span, request, info.route, response.status)
        return response

    async def prepare_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the common headers to a response that its handler begins to send itself."""
        if X_REQUEST_ID not in response.headers:
            self._add_headers(request, response, request[REQUEST_INFO])

    def _add_headers(
        self, request: web.Request, response: web.StreamResponse, info: RequestInfo
    ) -> None:
        headers = response.headers
        if not isinstance(response, FastResponse):
            headers.update(SECURITY_HEADERS)
        headers[X_REQUEST_ID] = info.id
        if info.decision is not None:
            add_headers(info.decision, headers)
        if hdrs.CACHE_CONTROL not in headers:
            headers[hdrs.CACHE_CONTROL] = "no-store"
        self.cors.add_headers(request, response)
        if self.health.draining:
            response.force_close()  # the client reconnects to another process

    def _record(
        self, request: web.Request, response: web.StreamResponse, info: RequestInfo, seconds: float
    ) -> None:
        """Record the path's template, never the path; a digest of the caller, never a token."""
        method, route, status = request.method, info.route or NO_ROUTE, response.status
        self.metrics.durations.observe((method, route, status), seconds)
        if route in PROBES:  # the platform probes every few seconds: the metrics are enough
            return
        caller = None if info.caller is None else info.caller.subject_digest
        self.access_log.write(
            (method, route, status, seconds, caller, info.id, time.time(), info.trace_id)
        )


def _response_to(error: Exception, request: web.Request, info: RequestInfo) -> web.StreamResponse:
    """Return the response to an exception; it is not logged if the client has gone."""
    has_gone = request.transport is None and isinstance(error, ConnectionError)
    if has_gone or isinstance(error, ClientDisconnected):
        return web.Response(status=CLIENT_CLOSED_REQUEST)
    problem = problem_for(error)
    respond = problem_page if info.shows_pages else problem_response
    return FastResponse(respond(problem, info.id))


def _template(request: web.Request) -> str | None:
    """Return the path template of a resource that is not in the index of routes."""
    try:
        resource = request.match_info.route.resource
    except AssertionError:  # the response was made before the request was routed
        return None
    return None if resource is None else resource.canonical
