"""In front of each route: who calls, with which token, and whether that is not too often."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from cognito_jwt import Caller, TokenUse
from gateway.dependencies import Parts
from gateway.http.problems import Problem, invalid_token, malformed, not_found
from gateway.http.requests import single_header
from gateway.http.routing import PASSAGE, Answer, Auth, RequestContext, Route
from gateway.limits.rate_limit import charge

UNVERIFIED: Final = ("unverified",)
_NAMES: Final[Mapping[TokenUse, str]] = {"id": "an ID token", "access": "an access token"}


@dataclass(frozen=True, slots=True)
class Rule:
    """Whom a route takes."""

    right: Callable[[Caller], bool]
    token: Callable[[Caller], bool] | None = None
    wanted: str = ""
    """The kind of token that it takes, in words."""

    def check(self, caller: Caller) -> None:
        """The wrong kind of token is an invalid one: 403. A missing right hides the route: 404."""
        if self.token is not None and not self.token(caller):
            raise invalid_token(f"This takes {self.wanted}, not {_NAMES[caller.use]}.")
        if not self.right(caller):
            raise not_found("There is nothing here for you.")


def _anybody(_caller: Caller) -> bool:
    return True


def _a_person(caller: Caller) -> bool:
    return not caller.program


def _with_id(caller: Caller) -> bool:
    return caller.use == "id"


def _with_access(caller: Caller) -> bool:
    return caller.use == "access"


RULES: Final[Mapping[Auth, Rule]] = {
    Auth.PUBLIC: Rule(_anybody),
    Auth.OPTIONAL: Rule(_anybody),
    Auth.CALLER: Rule(_anybody),
    Auth.PERSON: Rule(_a_person),
    Auth.ID: Rule(_a_person, _with_id, _NAMES["id"]),
    Auth.ACCESS: Rule(_a_person, _with_access, _NAMES["access"]),
    Auth.CLAIMANT: Rule(
        _anybody,
        lambda caller: _with_id(caller) or caller.is_service,
        f"{_NAMES['id']} or a program's own",
    ),
    Auth.SERVICE: Rule(lambda caller: caller.is_service, _with_access, _NAMES["access"]),
    Auth.ADMIN: Rule(lambda caller: caller.is_admin, _with_access, _NAMES["access"]),
}


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Opens one route to those it is meant for."""

    route: Route
    parts: Parts
    rule: Rule

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Find out who calls and whether that is not too often, and let the route answer."""
        passage, route, parts, caller = request[PASSAGE], self.route, self.parts, None
        passage.route = route.path
        context = RequestContext(request, parts, route, passage)
        try:
            if route.auth is not Auth.PUBLIC and self._shows_token(request):
                token = bearer(request)
                caller = parts.tokens.remembered(token) or await self._verified(token, request)
                self.rule.check(caller)
                passage.caller = caller
                if route.own is not None:
                    context.asked = parts.referrals.prefetch(route.own, f"member-{caller.subject}")
            plans = parts.limiter.plans(route.limits, route.cost)
            hops = parts.settings.trusted_proxy_hops
            passage.verdict = await charge(parts.limiter, plans, caller, request, hops)
            if route.query is None and "?" in request.raw_path and request.query_string:
                raise malformed("this path takes no query parameters", code="unknown_parameter")
            answer = await route.handle(context)
        finally:
            context.forgo()
        return answer.response() if isinstance(answer, Answer) else answer

    def _shows_token(self, request: web.Request) -> bool:
        """Without one a caller is nobody on an open route, and is told to bring one elsewhere."""
        return self.route.auth is not Auth.OPTIONAL or hdrs.AUTHORIZATION in request.headers

    async def _verified(self, token: str, request: web.Request) -> Caller:
        """The token's owner; the address pays for a signature that has to be checked."""
        limiter, hops = self.parts.limiter, self.parts.settings.trusted_proxy_hops
        await charge(limiter, limiter.plans(UNVERIFIED), None, request, hops)
        return await self.parts.tokens.caller(token)


def bearer(request: web.Request) -> str:
    """The token in `Authorization: Bearer …`.

    Raises:
        Problem: 403 if there is none, or more than one.
    """
    try:
        raw = single_header(request, hdrs.AUTHORIZATION) or ""
    except Problem as problem:
        raise invalid_token("The Authorization header is given more than once.") from problem
    scheme, _, token = raw.partition(" ")
    if not token or scheme.lower() != "bearer":
        raise invalid_token("A bearer token is needed: Authorization: Bearer <token>.")
    return token


def add_routes(app: web.Application, routes: Iterable[Route], parts: Parts) -> None:
    for route in routes:
        keeper = Doorkeeper(route, parts, RULES[route.auth])
        app.router.add_route(route.method, route.path, keeper.serve)
