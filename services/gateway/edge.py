"""Around every request: its id, who calls, what an error looks like, and a line in the log."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web
from redis.exceptions import RedisError

from chassis.read_models import ReadModelsLost
from gateway.access import AccessLog
from gateway.auth import Caller, InvalidToken, KeysUnavailable, TokenUse
from gateway.cors import Cors
from gateway.errors import (
    Problem,
    from_aiohttp,
    invalid_token,
    malformed,
    not_found,
    unavailable,
    uncaught,
)
from gateway.fairness import charge
from gateway.fairness import headers as limit_headers
from gateway.health import Health
from gateway.http import Answer, Auth, Call, Route
from gateway.ids import request_id
from gateway.limits import Closed, Verdict
from gateway.limits.address import client_address
from gateway.metrics import Metrics
from gateway.parsing import single_header
from gateway.parts import Parts
from gateway.tracing import Requests, end

if TYPE_CHECKING:
    from chassis.traces.spans import Span

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID: Final = web.RequestKey("request_id", str)
VERDICT: Final = web.RequestKey("verdict", Verdict)
CALLER_TAG: Final = web.RequestKey("caller_tag", str)
UNVERIFIED: Final = ("unverified",)
PROBES: Final = frozenset({"/healthz", "/readyz"})
_USE: Final[Mapping[Auth, TokenUse]] = {
    Auth.ID: "id",
    Auth.ACCESS: "access",
    Auth.SERVICE: "access",
    Auth.ADMIN: "access",
}
_NAMES: Final[Mapping[TokenUse, str]] = {"id": "an ID token", "access": "an access token"}
SECURITY_HEADERS: Final = {
    "Server": "vouch",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Edge:
    """The one middleware: every answer passes it, whoever has made it."""

    metrics: Metrics
    cors: Cors
    health: Health
    access: AccessLog
    traces: Requests | None = None

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        number = request_id(request.headers.get("X-Request-ID"))
        request[REQUEST_ID] = number
        structlog.contextvars.bind_contextvars(request_id=number)
        span = None if self.traces is None else self.traces.begin(request)
        response = self.cors.preflight(request) or await _answer(request, handler, number)
        if not response.prepared:
            self._dress(request, response)
        self._tell(request, response, time.perf_counter() - started, span)
        if span is not None:
            end(span, response.status)
        return response

    def _dress(self, request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers["X-Request-ID"] = request[REQUEST_ID]
        headers.update(SECURITY_HEADERS)
        if (verdict := request.get(VERDICT)) is not None:
            headers.update(limit_headers(verdict))
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = "no-store"
        self.cors.dress(request, response)
        if self.health.draining:
            response.force_close()  # the next request is another worker's

    def _tell(
        self,
        request: web.Request,
        response: web.StreamResponse,
        seconds: float,
        span: "Span | None",
    ) -> None:
        """One line: the path's template, never the path; a digest of the subject, never a token."""
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "none"
        self.metrics.answered(request.method, route, response.status, seconds)
        if route in PROBES:  # every few seconds, for ever: the figures above are enough
            return
        self.access.tell(
            method=request.method,
            route=route,
            status=response.status,
            ms=round(seconds * 1000, 2),
            caller=request.get(CALLER_TAG),
            request_id=request[REQUEST_ID],
            **({} if span is None else {"trace_id": span.trace_id}),
        )


async def _answer(request: web.Request, handler: Handler, number: str) -> web.StreamResponse:
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response(number)
    except web.HTTPException as error:
        return from_aiohttp(error).response(number)
    except Exception as error:  # noqa: BLE001  the last place to answer; `_known` tells surprises
        return _known(error).response(number)


def _known(error: Exception) -> Problem:
    """The answer to what may go wrong behind the door; only a surprise is a 500."""
    match error:
        case KeysUnavailable():
            return unavailable("keys_unavailable", "tokens cannot be checked at the moment")
        case Closed():
            return unavailable("limits_unavailable", "this cannot be counted at the moment")
        case ReadModelsLost():
            return unavailable("read_model_rebuilding", "this is being rebuilt, try again soon")
        case RedisError():
            log.warning("redis_failed", because=str(error))
            return unavailable("store_unavailable", "this cannot be looked up at the moment")
        case _:
            log.error("request_failed", exc_info=error)
            return uncaught()


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Opens one route to those it is meant for."""

    route: Route
    parts: Parts

    async def serve(self, request: web.Request) -> web.StreamResponse:
        call = Call(request, self.parts, self.route, request[REQUEST_ID])
        await self._admit(call)
        if self.route.query is None and request.query_string:
            raise malformed("this path takes no query parameters", code="unknown_parameter")
        answer = await self.route.handle(call)
        return answer.response() if isinstance(answer, Answer) else answer

    async def _admit(self, call: Call) -> None:
        """Find out who calls and whether that is not too often."""
        request, auth, limiter = call.request, self.route.auth, self.parts.limiter
        caller = None
        if auth is not Auth.PUBLIC and (auth is not Auth.OPTIONAL or _shows_token(request)):
            caller = await self._caller(request)
            call.admit(caller)
            request[CALLER_TAG] = caller.tag
        address = partial(client_address, request, self.parts.settings.trusted_proxy_hops)
        verdict = await charge(limiter, self.route.limits, caller=caller, address=address)
        if verdict is not None:
            request[VERDICT] = verdict

    async def _caller(self, request: web.Request) -> Caller:
        """The token's owner; the address pays for a signature that has to be checked."""
        token, tokens = bearer(request), self.parts.tokens
        try:
            if (caller := tokens.remembered(token)) is None:
                address = partial(client_address, request, self.parts.settings.trusted_proxy_hops)
                await charge(self.parts.limiter, UNVERIFIED, caller=None, address=address)
                caller = await tokens.caller(token)
        except InvalidToken as error:
            raise invalid_token(f"{error}.".capitalize()) from error
        _check_use(self.route.auth, caller)
        return caller


def _shows_token(request: web.Request) -> bool:
    return "Authorization" in request.headers


def bearer(request: web.Request) -> str:
    """The token in `Authorization: Bearer …`.

    Raises:
        Problem: 403 if there is none, or more than one.
    """
    try:
        raw = single_header(request, "Authorization") or ""
    except Problem as problem:
        raise invalid_token("The Authorization header is given more than once.") from problem
    scheme, _, token = raw.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise invalid_token("A bearer token is needed: Authorization: Bearer <token>.")
    return token


def _check_use(auth: Auth, caller: Caller) -> None:
    """The wrong kind of token is an invalid one (403); a missing right hides the route (404)."""
    if (wanted := _USE.get(auth)) is not None and caller.use != wanted:
        raise invalid_token(f"This takes {_NAMES[wanted]}, not {_NAMES[caller.use]}.")
    if auth is Auth.CLAIMANT and not (caller.use == "id" or caller.is_service):
        raise invalid_token(f"This takes {_NAMES['id']}, or a program's own.")
    if not _has_right(auth, caller):
        raise not_found("There is nothing here for you.")


def _has_right(auth: Auth, caller: Caller) -> bool:
    match auth:
        case Auth.SERVICE:
            return caller.is_service
        case Auth.ADMIN:
            return caller.is_admin
        case Auth.CALLER | Auth.OPTIONAL | Auth.CLAIMANT:
            return True
        case _:
            return not caller.program


def add_routes(app: web.Application, routes: Iterable[Route], parts: Parts) -> None:
    for route in routes:
        app.router.add_route(route.method, route.path, Doorkeeper(route, parts).serve)
