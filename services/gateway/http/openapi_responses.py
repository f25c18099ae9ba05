"""Describe the responses of routes in OpenAPI: results, errors, 202 and event streams."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from pydantic import BaseModel

from gateway.http.pages import HTML
from gateway.http.problems import PROBLEM_TYPE, QUOTA_TYPE, UNCAUGHT, Problem
from gateway.http.responses import JSON_TYPE
from gateway.http.routing import SAFE_METHODS, AnyRoute, Auth

SCHEMAS: Final = "#/components/schemas/"
_RESPONSES: Final = "#/components/responses/"
_NAME: Final = "Problem"
_ALWAYS: Final = (400, 429, 500, 503)
_RECEIVED: Final = (408, 413)
"""Statuses of requests whose body does not arrive in time, or is too large."""
_WITH_BODY: Final = (409, 422)
_EXAMPLES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("malformed_request", "The body is not JSON: a value is missing (line 1, column 1)."),
    403: ("invalid_token", "Sign in, and send your token: Authorization: Bearer <token>."),
    404: ("not_found", "There is nothing here."),
    408: ("body_too_slow", "The request body took too long to arrive. Try again."),
    409: (
        "idempotency_key_in_use",
        "A request with this Idempotency-Key is being processed. Try again shortly.",
    ),
    410: (
        "reservation_ended",
        "The reservation has ended. Use the referral code again to get a new one.",
    ),
    413: (
        "request_entity_too_large",
        "The request body is too large: at most 64 KiB are accepted.",
    ),
    422: ("invalid_request", "user: is missing"),
    429: ("too_many_requests", "Too many requests: 60 in a minute are allowed. Try again in 1 s."),
    500: ("internal_error", UNCAUGHT),
    501: (
        "unsupported_chain",
        "Chain 8453 is not supported now: no endpoint is configured for it. Choose another chain.",
    ),
    503: (
        "bus_unavailable",
        "Your request cannot be processed right now. Try again shortly.",
    ),
}
"""Status -> code and detail of an example."""
_EXAMPLE_MEMBERS: Final[Mapping[int, Mapping[str, Any]]] = {
    422: {"errors": [{"field": "user", "detail": "is missing"}]},
    429: {"type": QUOTA_TYPE, "violated-policies": ["writes"]},
}
_RETRY_AFTER: Final = {"description": "Seconds.", "schema": {"type": "integer"}}
_WITH_RETRY_AFTER: Final = (429, 503)
_EVENTS: Final = (
    "retry: 2000\n\nid: 4a44dc15364e-account.2\nevent: account\n"
    'data: {"user":"alice@example.com",…}\n\n'
)

_PROBLEM: Final = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request failed (RFC 9457 with the members of this API).",
    "required": ["type", "title", "status", "status_code", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "`about:blank`, or the URI of a problem type."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "status_code": {"type": "integer"},
        "detail": {"type": "string", "description": "May be shown to the user."},
        "code": {"type": "string", "description": "For programs."},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "violated-policies": {"type": "array", "items": {"type": "string"}},
        "challenge": {
            "type": "string",
            "description": "With the code `proof_of_work_required`: find a number such that the "
            "SHA-256 of `<challenge>.<number>` begins with `bits` zero bits, and send this text as "
            "`X-Proof-Of-Work`.",
        },
        "bits": {"type": "integer", "description": "Zero bits that are asked for."},
    },
}
_ACCEPTED: Final = {
    "type": "object",
    "title": "Accepted",
    "description": "The request is being processed; `Location` shows its result.",
    "required": ["status_code", "detail", "code", "request_id"],
    "properties": {
        "status_code": {"const": 202},
        "detail": {"type": "string", "description": "May be shown to the user."},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "invite": {"type": "string", "description": "Id of the invitation, if one is sent."},
        "job": {
            "type": "object",
            "description": "The job whose result this waits for, if there is one.",
            "properties": {
                "id": {"type": "string"},
                "state": {"type": "string"},
                "deduplicated": {
                    "type": "boolean",
                    "description": "True if this analysis had already been requested.",
                },
            },
        },
    },
}

Schema = dict[str, Any]


def shared_schemas() -> Schema:
    """Return the schemas that no model declares."""
    return {"Problem": _PROBLEM, "Accepted": _ACCEPTED}


def error_responses() -> Schema:
    """Return the error responses that routes refer to, by name."""
    return {_name(status): _error(status) for status in _EXAMPLES}


def responses(route: AnyRoute, references: Mapping[type[BaseModel], Schema]) -> Schema:
    """Return everything a route may respond, by status."""
    described: Schema = {
        str(status): {"$ref": _RESPONSES + _name(status)} for status in _errors(route)
    }
    described |= _successes(route, references)
    if route.media == HTML:
        described = {status: _or_page(response) for status, response in described.items()}
    return dict(sorted(described.items()))


def _or_page(response: Schema) -> Schema:
    """Describe a response that is a page for a client that accepts HTML."""
    if "$ref" in response:
        status = int(response["$ref"].removeprefix(_RESPONSES + _NAME))
        response = _error(status)
    content = response["content"] | {HTML: {"schema": {"type": "string"}}}
    return response | {"content": content}


def _successes(route: AnyRoute, references: Mapping[type[BaseModel], Schema]) -> Schema:
    successes: Schema = {}
    if route.sends_command:
        successes["202"] = _accepted("The request is being processed.")
    if route.response is not None:
        phrase = HTTPStatus(route.success).phrase
        schema = references[route.response]
        if str(route.success) in successes:  # 202 with a result, or before there is one
            schema = {"anyOf": [schema, {"$ref": f"{SCHEMAS}Accepted"}]}
        successes[str(route.success)] = _json(phrase, schema)
    if route.success == HTTPStatus.NO_CONTENT:
        successes["204"] = {"description": "Done."}
    if route.media != JSON_TYPE:
        content: Schema = {route.media: {"schema": {"type": "string"}}}
        successes["200"] = {"description": "OK", "content": content}
    if route.streams:
        stream = {"schema": {"type": "string"}, "example": _EVENTS}
        successes["204"] = {"description": "The stream has ended; do not reconnect."}
        successes["200"] = {"description": "Events.", "content": {"text/event-stream": stream}}
    if route.conditional:
        successes["304"] = {"description": "The stored copy is current."}
    if route.pending:
        successes["202"] = _accepted("The result is not available yet.")
    return successes


def _errors(route: AnyRoute) -> list[int]:
    statuses = {*_ALWAYS, *route.problems}
    if route.auth is not Auth.PUBLIC:
        statuses.add(403)
    if route.method == "DELETE":
        statuses.update((409, 422))  # for Idempotency-Keys that are in use or were used
    if route.auth in (Auth.ACCESS, Auth.PERSON, Auth.SERVICE, Auth.ADMIN):
        statuses.add(404)
    if route.method not in SAFE_METHODS:
        statuses.update(_RECEIVED)
    if route.body is not None:
        statuses.update(_WITH_BODY)
    if route.query is not None:
        statuses.add(422)
    return sorted(statuses)


def _error(status: int) -> Schema:
    code, detail = _EXAMPLES[status]
    example = orjson.loads(Problem(status, code, detail).body("0cb466c88d2d110e"))
    schema = {"$ref": f"{SCHEMAS}Problem"}
    members = _EXAMPLE_MEMBERS.get(status, {})
    content = {PROBLEM_TYPE: {"schema": schema, "example": {**example, **members}}}
    response: Schema = {"description": HTTPStatus(status).phrase, "content": content}
    if status in _WITH_RETRY_AFTER:
        response["headers"] = {"Retry-After": _RETRY_AFTER}
    return response


def _accepted(description: str) -> Schema:
    location = {"description": "Where to find the result.", "schema": {"type": "string"}}
    return _json(description, {"$ref": f"{SCHEMAS}Accepted"}) | {
        "headers": {"Location": location, "Retry-After": _RETRY_AFTER}
    }


def _name(status: int) -> str:
    return f"{_NAME}{status}"


def _json(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {JSON_TYPE: {"schema": schema}}}
