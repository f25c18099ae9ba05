"""Around every request: its id, what an error looks like, what every answer wears, and the log."""

import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import hdrs, web
from multidict import CIMultiDict, istr
from redis.exceptions import RedisError
from structlog.contextvars import STRUCTLOG_KEY_PREFIX

from chassis.resilience.log_throttle import LogThrottle
from chassis.views.read_models import ReadModelsLost
from cognito_jwt import InvalidToken, KeysUnavailable
from gateway.edge.access_log import AccessLog
from gateway.edge.cors import Cors
from gateway.edge.health import PROBES, Health
from gateway.edge.metrics import Metrics
from gateway.edge.tracing import Requests, end
from gateway.http.ids import request_id
from gateway.http.problems import Problem, from_aiohttp, invalid_token, unavailable, uncaught
from gateway.http.routing import REQUEST_INFO, RequestInfo
from gateway.limits.rate_limit import add_headers
from token_bucket import RateLimiterUnavailable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NO_ROUTE: Final = "none"
X_REQUEST_ID: Final = istr("X-Request-ID")
BOUND_REQUEST_ID: Final[ContextVar[str]] = ContextVar(STRUCTLOG_KEY_PREFIX + "request_id")
"""As `bind_contextvars` would bind it for every log line, in a tenth of the time."""
SECURITY_HEADERS: Final = CIMultiDict(
    {
        "Server": "vouch",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Strict-Transport-Security": "max-age=31536000",
    }
)

_REDIS_AWAY: Final = LogThrottle()

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Edge:
    """What stands around the application: every answer passes it, whoever has made it."""

    metrics: Metrics
    cors: Cors
    health: Health
    access: AccessLog
    traces: Requests | None = None

    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        info = RequestInfo(request_id(request.headers.get(X_REQUEST_ID)))
        request[REQUEST_INFO] = info
        BOUND_REQUEST_ID.set(info.id)
        span = None if self.traces is None else self.traces.begin(request)
        response: web.StreamResponse | None = self.cors.preflight(request)
        if response is None:
            try:
                response = await handler(request)
            except Exception as error:  # noqa: BLE001  the last place to answer; surprises are told
                response = _problem(error).to_aiohttp(info.id)
        if not response.prepared:
            self._dress(request, response, info)
        if info.route is None:
            info.route = _template(request)
        self._tell(request, response, info, time.perf_counter() - started)
        if span is not None:
            end(span, request, info.route, response.status)
        return response

    def _dress(self, request: web.Request, response: web.StreamResponse, info: RequestInfo) -> None:
        headers = response.headers
        headers.update(SECURITY_HEADERS)
        headers[X_REQUEST_ID] = info.id
        if info.decision is not None:
            add_headers(info.decision, headers)
        if hdrs.CACHE_CONTROL not in headers:
            headers[hdrs.CACHE_CONTROL] = "no-store"
        self.cors.dress(request, response)
        if self.health.draining:
            response.force_close()  # the next request is another worker's

    async def prepare_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the common headers to a response that its handler prepares by itself."""
        if X_REQUEST_ID not in response.headers:
            self._dress(request, response, request[REQUEST_INFO])

    def _tell(
        self,
        request: web.Request,
        response: web.StreamResponse,
        info: RequestInfo,
        seconds: float,
    ) -> None:
        """One line: the path's template, never the path; a digest of the subject, never a token."""
        method, route, status = request.method, info.route or NO_ROUTE, response.status
        self.metrics.latencies.observe(method, route, status, seconds)
        if route in PROBES:  # every few seconds, for ever: the figures above are enough
            return
        caller = None if info.caller is None else info.caller.subject_digest
        self.access.tell(
            (method, route, status, seconds, caller, info.id, time.time(), info.trace_id)
        )


def _template(request: web.Request) -> str | None:
    """Of what is served beside the table of routes."""
    try:
        resource = request.match_info.route.resource
    except AssertionError:  # answered before anybody looked for a route
        return None
    return None if resource is None else resource.canonical


def _problem(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case web.HTTPException():
            return from_aiohttp(error)
        case _:
            return _known(error)


def _known(error: Exception) -> Problem:
    """The answer to what may go wrong behind the door; only a surprise is a 500."""
    match error:
        case InvalidToken():
            return invalid_token(f"{error}.".capitalize())
        case KeysUnavailable():
            return unavailable("keys_unavailable", "tokens cannot be checked at the moment")
        case RateLimiterUnavailable():
            return unavailable("limits_unavailable", "this cannot be counted at the moment")
        case ReadModelsLost():
            return unavailable("read_model_rebuilding", "this is being rebuilt, try again soon")
        case RedisError():
            if times := _REDIS_AWAY.count_if_due():
                log.warning("redis_failed", because=str(error), times=times)
            return unavailable("store_unavailable", "this cannot be looked up at the moment")
        case _:
            log.error("request_failed", exc_info=error)
            return uncaught()
