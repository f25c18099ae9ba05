"""Represent every error response: `detail` for users, `code` for programs (RFC 9457)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web

PROBLEM_TYPE: Final = "application/problem+json"
QUOTA_TYPE: Final = "https://iana.org/assignments/http-problem-types#quota-exceeded"
UNCAUGHT: Final = "An unexpected and uncaught exception was raised during an API call."


@dataclass(frozen=True, slots=True)
class FieldError:
    """Describe one field of a request that is wrong."""

    field: str
    detail: str


@dataclass(slots=True)
class Problem(Exception):
    """End a request with this error response; `detail` may be shown to the user."""

    status: int
    code: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()
    type: str = "about:blank"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def body(self, request_id: str) -> bytes:
        """Return the JSON body."""
        members: dict[str, Any] = {
            "type": self.type,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "status_code": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
            **self.extra,
        }
        if self.errors:
            members["errors"] = list(self.errors)
        return orjson.dumps(members)


def printable(name: str) -> str:
    """Return a name from a request, shortened and without unprintable characters."""
    return "".join(c if c.isprintable() else "?" for c in name[:64])


def malformed(detail: str, *, code: str = "malformed_request") -> Problem:
    """Return 400: the request cannot be parsed."""
    return Problem(400, code, detail)


def invalid(errors: Sequence[FieldError]) -> Problem:
    """Return 422: the body or query is well-formed, but fields are wrong."""
    detail = "; ".join(f"{error.field}: {error.detail}" for error in errors)
    return Problem(422, "invalid_request", detail, errors=errors)


def invalid_token(why: str) -> Problem:
    """Return 403, which is sent for tokens only: front ends respond with the log-in screen."""
    return Problem(403, "invalid_token", why, {"WWW-Authenticate": 'Bearer error="invalid_token"'})


def not_found(detail: str = "There is nothing here.", *, code: str = "not_found") -> Problem:
    """Return 404."""
    return Problem(404, code, detail)


def unavailable(code: str, detail: str, *, retry_after: int = 1) -> Problem:
    """Return 503 with `Retry-After` in seconds."""
    return Problem(503, code, detail, {"Retry-After": str(retry_after)})


def rebuilding() -> Problem:
    """Return 503: a read model is not complete at the moment."""
    detail = "This data is being rebuilt. Try again shortly."
    return unavailable("read_model_rebuilding", detail)


def not_reached() -> Problem:
    """Return 503: a read model does not show the change yet that the caller demands to see."""
    detail = "Your last change is not visible yet. Try again shortly."
    return unavailable("position_not_reached", detail)


def too_many(names: Sequence[str], detail: str, retry_after: int) -> Problem:
    """Return 429 with the names of the exceeded limits and `Retry-After` in seconds."""
    return Problem(
        429,
        "too_many_requests",
        detail,
        {"Retry-After": str(retry_after)},
        type=QUOTA_TYPE,
        extra={"violated-policies": list(names)},
    )


def uncaught() -> Problem:
    """Return 500: the gateway failed; the log has the exception."""
    return Problem(500, "internal_error", UNCAUGHT)


_FROM_AIOHTTP: Final = {
    404: ("not_found", "There is nothing at this path."),
    405: ("method_not_allowed", "This path does not support this method."),
}
"""Status -> code and detail. aiohttp's own phrases are Python's, which change between versions."""


def from_aiohttp(error: web.HTTPException) -> Problem:
    """Convert an error that aiohttp raises itself: no route, wrong method, body too large."""
    phrase = HTTPStatus(error.status).phrase
    default = phrase.lower().replace(" ", "_"), f"{phrase}."
    code, detail = _FROM_AIOHTTP.get(error.status, default)
    headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    return Problem(error.status, code, detail, headers)
