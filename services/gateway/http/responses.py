"""Represent finished responses."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson
from pydantic import BaseModel

from gateway.http.problems import PROBLEM_TYPE, Problem

JSON_TYPE: Final = "application/json"
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
PRIVATE: Final[Mapping[str, str]] = MappingProxyType({"Cache-Control": "private, no-cache"})
"""Headers of a response that only its caller may cache, and must revalidate."""
X_POSITION: Final = "X-Position"
"""Header with the position that a write has reached, or that a read reflects."""


class Response(NamedTuple):
    """Represent a finished response, which can be stored and sent again."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = NO_HEADERS
    content_type: str = JSON_TYPE
    is_final: bool = True
    """False for a response that says that there is no result yet; it is not stored under a key."""

    def with_headers(self, headers: Mapping[str, str]) -> "Response":
        """Return a copy with these headers added or replaced."""
        return self._replace(headers={**self.headers, **headers})


def json_response(
    model: BaseModel, status: int = 200, headers: Mapping[str, str] = NO_HEADERS
) -> Response:
    """Return a response whose body is `model` as JSON."""
    return Response(status, model.model_dump_json().encode(), headers)


def problem_response(problem: Problem, request_id: str) -> Response:
    """Return a problem as a response that can be stored."""
    return Response(problem.status, problem.body(request_id), problem.headers, PROBLEM_TYPE)


def accepted_response(
    request_id: str, detail: str, *, location: str, code: str = "accepted", **members: Any
) -> Response:
    """Return 202 Accepted: the work has started, and `location` shows its result.

    Further `members` become members of the JSON body.
    """
    body = {"status_code": 202, "detail": detail, "code": code, "request_id": request_id, **members}
    return Response(202, orjson.dumps(body), {"Location": location, "Retry-After": "1"})
