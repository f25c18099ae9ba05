"""In front of each route: who calls, with which token, and whether that is not too often."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from gateway.auth import Caller, InvalidToken, TokenUse
from gateway.errors import invalid_token, malformed, not_found
from gateway.fairness import charge
from gateway.http import PASSAGE, Answer, Auth, Call, Passage, Route
from gateway.limits.address import client_address
from gateway.parts import Parts

UNVERIFIED: Final = ("unverified",)
_NAMES: Final[Mapping[TokenUse, str]] = {"id": "an ID token", "access": "an access token"}


@dataclass(frozen=True, slots=True)
class Rule:
    """Whom a route takes."""

    right: Callable[[Caller], bool]
    token: Callable[[Caller], bool] = lambda _caller: True
    wanted: str = ""
    """The kind of token that it takes, in words."""

    def check(self, caller: Caller) -> None:
        """The wrong kind of token is an invalid one: 403. A missing right hides the route: 404."""
        if not self.token(caller):
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
        passage, route = request[PASSAGE], self.route
        passage.route = route.path
        call = Call(request, self.parts, route, passage.id)
        try:
            await self._admit(call, passage)
            if route.query is None and request.query_string:
                raise malformed("this path takes no query parameters", code="unknown_parameter")
            answer = await route.handle(call)
        finally:
            call.forgo()
        return answer.response() if isinstance(answer, Answer) else answer

    async def _admit(self, call: Call, passage: Passage) -> None:
        """Find out who calls and whether that is not too often."""
        request, parts, route, caller = call.request, self.parts, self.route, None
        if _shows_token(request, route.auth):
            caller = passage.caller = await self._caller(request)
            call.admit(caller)
            if route.own is not None:
                call.asked = parts.referrals.ask(route.own, f"member-{caller.subject}")
        passage.verdict = await charge(
            parts.limiter, route.limits, caller=caller, address=self._address(request)
        )

    def _address(self, request: web.Request) -> Callable[[], str]:
        return lambda: client_address(request, self.parts.settings.trusted_proxy_hops)

    async def _caller(self, request: web.Request) -> Caller:
        """The token's owner; the address pays for a signature that has to be checked."""
        token, tokens = bearer(request), self.parts.tokens
        try:
            if (caller := tokens.remembered(token)) is None:
                address = self._address(request)
                await charge(self.parts.limiter, UNVERIFIED, caller=None, address=address)
                caller = await tokens.caller(token)
        except InvalidToken as error:
            raise invalid_token(f"{error}.".capitalize()) from error
        self.rule.check(caller)
        return caller


def _shows_token(request: web.Request, auth: Auth) -> bool:
    """Whether the caller is known by a token: on open routes if there is one, else always."""
    if auth is Auth.OPTIONAL:
        return hdrs.AUTHORIZATION in request.headers
    return auth is not Auth.PUBLIC


def bearer(request: web.Request) -> str:
    """The token in `Authorization: Bearer …`.

    Raises:
        Problem: 403 if there is none, or more than one.
    """
    given = request.headers.getall(hdrs.AUTHORIZATION, ())
    if len(given) > 1:
        raise invalid_token("The Authorization header is given more than once.")
    scheme, _, token = given[0].partition(" ") if given else ("", "", "")
    if not token or scheme.lower() != "bearer":
        raise invalid_token("A bearer token is needed: Authorization: Bearer <token>.")
    return token


def add_routes(app: web.Application, routes: Iterable[Route], parts: Parts) -> None:
    for route in routes:
        keeper = Doorkeeper(route, parts, RULES[route.auth])
        app.router.add_route(route.method, route.path, keeper.serve)
