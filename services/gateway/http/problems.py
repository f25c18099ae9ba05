"""Every refusal as JSON: the seed's `detail`, RFC 9457's members and a word for programs."""

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
    """One thing that is wrong with a request, and where."""

    field: str
    detail: str


@dataclass(slots=True)
class Problem(Exception):  # noqa: N818  RFC 9457's word
    """Ends a request with this answer; `detail` may be shown to the user."""

    status: int
    code: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: Sequence[FieldError] = ()
    type: str = "about:blank"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def body(self, request_id: str) -> bytes:
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

    def response(self, request_id: str) -> web.Response:
        return web.Response(
            status=self.status,
            body=self.body(request_id),
            content_type=PROBLEM_TYPE,
            headers=self.headers,
        )


def malformed(detail: str, *, code: str = "malformed_request") -> Problem:
    return Problem(400, code, detail)


def invalid(errors: Sequence[FieldError]) -> Problem:
    """A body or query that is well-formed but not what is asked for."""
    detail = "; ".join(f"{error.field}: {error.detail}" for error in errors)
    return Problem(422, "invalid_request", detail, errors=errors)


def invalid_token(why: str) -> Problem:
    """The only 403 there is: on it, front ends send the user to the log-in screen."""
    return Problem(403, "invalid_token", why, {"WWW-Authenticate": 'Bearer error="invalid_token"'})


def not_found(detail: str = "there is nothing here", *, code: str = "not_found") -> Problem:
    return Problem(404, code, detail)


def unavailable(code: str, detail: str, *, retry_after: int = 1) -> Problem:
    return Problem(503, code, detail, {"Retry-After": str(retry_after)})


def too_many(names: Sequence[str], detail: str, retry_after: int) -> Problem:
    return Problem(
        429,
        "too_many_requests",
        detail,
        {"Retry-After": str(retry_after)},
        type=QUOTA_TYPE,
        extra={"violated-policies": list(names)},
    )


def uncaught() -> Problem:
    return Problem(500, "internal_error", UNCAUGHT)


_AIOHTTPS_OWN: Final = {
    404: ("not_found", "there is nothing at this path"),
    405: ("method_not_allowed", "this path does not take this method"),
    413: ("request_entity_too_large", "the request body is too large"),
}
"""Its phrases are Python's, which change from one version to the next; codes do not."""


def from_aiohttp(error: web.HTTPException) -> Problem:
    """What aiohttp answers by itself (no route, wrong method, body too large), in our words."""
    phrase = HTTPStatus(error.status).phrase.lower()
    code, detail = _AIOHTTPS_OWN.get(error.status, (phrase.replace(" ", "_"), phrase))
    kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    return Problem(error.status, code, detail, kept)
