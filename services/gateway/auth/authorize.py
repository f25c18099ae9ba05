"""Decide which callers and tokens each kind of route admits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from cognito_jwt import Caller, TokenUse
from gateway.http.problems import Problem, invalid_token, not_found
from gateway.http.requests import single_header
from gateway.http.routing import Auth

_NAMES: Final[Mapping[TokenUse, str]] = {"id": "an ID token", "access": "an access token"}


@dataclass(frozen=True, slots=True)
class Rule:
    """Describe the callers that a route admits."""

    admits: Callable[[Caller], bool]
    takes: Callable[[Caller], bool] | None = None
    """Whether the route takes the caller's kind of token; None for any kind."""
    wanted: str = ""
    """The kind of token that it takes, in words."""

    def check(self, caller: Caller) -> None:
        """Check a caller against the rule.

        Raises:
            Problem: 403 for the wrong kind of token; 404 for a caller who lacks the right, so that
                the route stays hidden.
        """
        if self.takes is not None and not self.takes(caller):
            raise invalid_token(f"Send {self.wanted}, not {_NAMES[caller.use]}.")
        if not self.admits(caller):
            raise not_found()


def _anyone(_caller: Caller) -> bool:
    return True


def _is_person(caller: Caller) -> bool:
    return not caller.is_machine


def _has_id_token(caller: Caller) -> bool:
    return caller.use == "id"


def _has_access_token(caller: Caller) -> bool:
    return caller.use == "access"


RULES: Final[Mapping[Auth, Rule]] = {
    Auth.PUBLIC: Rule(_anyone),
    Auth.OPTIONAL: Rule(_anyone),
    Auth.CALLER: Rule(_anyone),
    Auth.PERSON: Rule(_is_person),
    Auth.ID: Rule(_is_person, _has_id_token, _NAMES["id"]),
    Auth.ACCESS: Rule(_is_person, _has_access_token, _NAMES["access"]),
    Auth.CLAIMANT: Rule(
        _anyone,
        lambda caller: _has_id_token(caller) or caller.is_service,
        f"{_NAMES['id']} or a program's token",
    ),
    Auth.SERVICE: Rule(lambda caller: caller.is_service, _has_access_token, _NAMES["access"]),
    Auth.ADMIN: Rule(lambda caller: caller.is_admin, _has_access_token, _NAMES["access"]),
}


def takes_token(auth: Auth, request: web.Request) -> bool:
    """Return whether a request must be authenticated.

    Without a token, optional routes treat the caller as anonymous.
    """
    if auth is Auth.OPTIONAL:
        return hdrs.AUTHORIZATION in request.headers
    return auth is not Auth.PUBLIC


def bearer_token(request: web.Request) -> str:
    """Return the token in `Authorization: Bearer …`.

    Raises:
        Problem: 403 if there is none, or more than one.
    """
    try:
        raw = single_header(request, hdrs.AUTHORIZATION) or ""
    except Problem as problem:
        raise invalid_token("Send the Authorization header once.") from problem
    scheme, _, token = raw.partition(" ")
    if not token or scheme.lower() != "bearer":
        raise invalid_token("Sign in, and send your token: Authorization: Bearer <token>.")
    return token
