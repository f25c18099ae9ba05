"""Serve one route: authenticate the caller, charge its limits, and run the handler."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from chassis.views.read_models import ReadModels
from cognito_jwt import Caller, TokenCache
from contracts.streams import MEMBERS
from gateway.auth.authorize import RULES, Rule, bearer_token, takes_token
from gateway.edge.fast_response import FastResponse
from gateway.http.client_address import ClientAddresses
from gateway.http.command_responses import CommandRejected, RespondNow
from gateway.http.keyed_requests import KeyedRequests, Repetition
from gateway.http.pages import HTML, accepts_html, as_page
from gateway.http.preferences import IDEMPOTENCY_KEY
from gateway.http.problems import Problem, malformed
from gateway.http.requests import receive_body
from gateway.http.responses import Response, problem_response
from gateway.http.routing import (
    REQUEST_INFO,
    SAFE_METHODS,
    AnyRoute,
    BoundRoute,
    Handler,
    RequestContext,
)
from gateway.limits.rate_limit import charge
from token_bucket import RateLimiter

UNVERIFIED: Final = ("unverified",)
"""Limits that are charged before a signature is checked."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Hold what decides whether a request reaches a handler."""

    tokens: TokenCache
    limiter: RateLimiter
    addresses: ClientAddresses
    read_models: ReadModels
    """Read models that routes prefetch from."""
    keyed_requests: KeyedRequests


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Serve one route."""

    route: AnyRoute
    handle: Handler
    admission: Admission
    rule: Rule

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Admit a request and respond to it."""
        info, route, admission, caller = request[REQUEST_INFO], self.route, self.admission, None
        info.route, info.shows_pages = route.path, route.media == HTML and accepts_html(request)
        context = RequestContext(request, route, info)
        try:
            if takes_token(route.auth, request):
                token = bearer_token(request)
                caller = admission.tokens.cached(token) or await self._verify(token, request)
                self.rule.check(caller)
                info.caller = caller
                if route.prefetch is not None:
                    stream = MEMBERS.stream(caller.subject)
                    context.prefetched = admission.read_models.prefetch(route.prefetch, stream)
            response = await self._respond(context)
        finally:
            context.cancel_prefetch()
        if not isinstance(response, Response):
            return response
        return FastResponse(as_page(response, info.id) if info.shows_pages else response)

    def _check_query(self, request: web.Request) -> None:
        if self.route.query is not None or self.route.ignores_query:
            return
        if "?" in request.raw_path and request.query_string:
            raise malformed("This path takes no query parameters.", code="unknown_parameter")

    async def _respond(self, context: RequestContext) -> Response | web.StreamResponse:
        """Admit the request, run the handler, and complete the command that it executed, if any."""
        try:
            await self._admit(context)
            response = await self.handle(context)
            if context.execution is None or not isinstance(response, Response):
                return response
            return await context.execution.complete(response)
        except RespondNow as now:
            return now.response
        except CommandRejected as rejected:
            if context.execution is None:
                raise
            return await context.execution.complete(problem_response(rejected, context.request_id))
        finally:
            if context.execution is not None:
                await context.execution.release()

    async def _admit(self, context: RequestContext) -> None:
        """Charge the limits of the request; those of repetitions if its key was used before.

        Raises:
            Problem: the request is not admitted.
            RespondNow: the key has a stored response.
        """
        request, route, admission = context.request, self.route, self.admission
        limits, cost, repetition = route.limits, route.cost, None
        is_keyed = IDEMPOTENCY_KEY in request.headers and route.sends_command
        if is_keyed:
            context.body = await receive_body(request, route.max_body_bytes)
            repetition = await admission.keyed_requests.begin(context)
        if repetition is not None:
            limits, cost = _limits_of_repetitions(context.known_caller), 1
        plans = admission.limiter.plans(limits, cost)
        context.info.decision = await charge(
            admission.limiter, plans, context.known_caller, request, admission.addresses
        )
        if repetition is not None:
            _answer(repetition)
        self._check_query(request)
        if not is_keyed and request.method not in SAFE_METHODS:
            context.body = await receive_body(request, route.max_body_bytes)

    async def _verify(self, token: str, request: web.Request) -> Caller:
        """Verify a token that is not cached; charge the client's address for it first."""
        limiter, addresses = self.admission.limiter, self.admission.addresses
        await charge(limiter, limiter.plans(UNVERIFIED), None, request, addresses)
        return await self.admission.tokens.verify(token)


def _limits_of_repetitions(caller: Caller | None) -> tuple[str, ...]:
    """Return the limits of requests that send no new command."""
    if caller is None:
        return ("repetitions-address",)
    return ("services",) if caller.is_service else ("repetitions",)


def _answer(repetition: Repetition) -> None:
    match repetition.answer:
        case Problem() as problem:
            raise problem
        case Response() as response:
            raise RespondNow(response)
        case None:
            pass


def add_routes(app: web.Application, routes: Iterable[BoundRoute], admission: Admission) -> None:
    """Serve each route with its handler; GET includes HEAD."""
    for bound in routes:
        route = bound.route
        endpoint = Endpoint(route, bound.handle, admission, RULES[route.auth])
        app.router.add_route(route.method, route.path, endpoint.serve)
        if route.method == hdrs.METH_GET:
            app.router.add_route(hdrs.METH_HEAD, route.path, endpoint.serve)
