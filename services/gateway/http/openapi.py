"""The description of the API (OpenAPI 3.1), made from the table of routes and the contracts."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.http.problems import PROBLEM_TYPE, QUOTA_TYPE, UNCAUGHT, Problem
from gateway.http.responses import JSON_TYPE
from gateway.http.routing import AnyRoute, Auth

VERSION: Final = "0.1.0"
_SCHEMAS: Final = "#/components/schemas/"
_RESPONSES: Final = "#/components/responses/"
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_ALWAYS: Final = (400, 429, 500, 503)
_WRITES: Final = (408, 409, 413, 422)
_REFUSALS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("malformed_request", "the body is not JSON: Expecting value at line 1, column 1"),
    403: ("invalid_token", "A bearer token is needed: Authorization: Bearer <token>."),
    404: ("not_found", "there is nothing here"),
    408: ("body_too_slow", "the request body took too long to arrive"),
    409: (
        "idempotency_key_in_use",
        "a request with this Idempotency-Key is being carried out at this moment",
    ),
    410: (
        "reservation_ended",
        "The reservation has ended. Use the referral code again to get a new one.",
    ),
    413: ("request_entity_too_large", "the request body is too large"),
    422: ("invalid_request", "user: is missing"),
    429: ("too_many_requests", "Too many requests: 60 in a minute are allowed. Try again in 1 s."),
    500: ("internal_error", UNCAUGHT),
    501: ("not_implemented", "this is planned and not there yet"),
    503: ("bus_unavailable", "this cannot be passed on at the moment"),
}
"""An example of each: its code and its detail."""
_MORE: Final[Mapping[int, Mapping[str, Any]]] = {
    422: {"errors": [{"field": "user", "detail": "is missing"}]},
    429: {"type": QUOTA_TYPE, "violated-policies": ["writes"]},
}
_RETRY_AFTER: Final = {"description": "Seconds.", "schema": {"type": "integer"}}
_EVENTS: Final = 'retry: 2000\n\nid: 2\nevent: account\ndata: {"user":"alice@example.com",…}\n\n'
_BACK: Final = (429, 503)
"""Refusals that say when to come back."""
_SECURITY: Final[Mapping[Auth, list[dict[str, list[str]]]]] = {
    Auth.PUBLIC: [],
    Auth.OPTIONAL: [{}, {"accessToken": []}],
    Auth.ID: [{"idToken": []}],
    Auth.ACCESS: [{"accessToken": []}],
    Auth.PERSON: [{"accessToken": []}, {"idToken": []}],
    Auth.CALLER: [{"accessToken": []}, {"idToken": []}, {"serviceToken": []}],
    Auth.CLAIMANT: [{"idToken": []}, {"serviceToken": []}],
    Auth.SERVICE: [{"serviceToken": []}],
    Auth.ADMIN: [{"accessToken": []}],
}
_SECURITY_SCHEMES: Final = {
    "idToken": "The ID token of a person who has signed in with Cognito.",
    "accessToken": "The access token of a person who has signed in with Cognito.",
    "serviceToken": "The access token of a program with the scope `vouch/users.write`.",
}
_ABOUT: Final = """\
Invite-only growth and token-risk analysis.

Every refusal, and every answer with status 202, has `status_code` and a `detail` that may be shown
to the user. Status 403 means that the token is missing, malformed, expired or revoked, and nothing
else: send the user to the log-in screen. `code` is a word for programs.
"""

_PROBLEM: Final = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457 with the members of this API).",
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
    },
}
_ACCEPTED: Final = {
    "type": "object",
    "title": "Accepted",
    "description": "The request is being carried out; `Location` tells where to look.",
    "required": ["status_code", "detail", "code", "request_id"],
    "properties": {
        "status_code": {"const": 202},
        "detail": {"type": "string", "description": "May be shown to the user."},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "invite": {"type": "string", "description": "The id of the invitation, if it is one."},
        "job": {
            "type": "object",
            "description": "The job that this waits for, if there is one.",
            "properties": {
                "id": {"type": "string"},
                "state": {"type": "string"},
                "deduplicated": {"type": "boolean", "description": "Somebody has asked before."},
            },
        },
    },
}

Schema = dict[str, Any]


def describe(routes: Iterable[AnyRoute]) -> Schema:
    """The whole document, ready to be written as JSON."""
    routes = tuple(routes)
    references, schemas = _schemas(routes)
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Vouch", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas | {"Problem": _PROBLEM, "Accepted": _ACCEPTED},
            "responses": {_name(status): _refusal(status) for status in _REFUSALS},
            "securitySchemes": {
                name: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": description,
                }
                for name, description in _SECURITY_SCHEMES.items()
            },
        },
    }


def _schemas(routes: tuple[AnyRoute, ...]) -> tuple[dict[type[BaseModel], Schema], Schema]:
    bodies = {(route.body, "validation") for route in routes if route.body is not None}
    answers = {(route.response, "serialization") for route in routes if route.response is not None}
    models: Any = sorted(bodies | answers, key=lambda pair: pair[0].__name__)
    references, definitions = models_json_schema(models, ref_template=_SCHEMAS + "{model}")
    return {model: schema for (model, _), schema in references.items()}, definitions["$defs"]  # type: ignore[misc]  # models only


def _operation(route: AnyRoute, references: Mapping[type[BaseModel], Schema]) -> Schema:
    operation: Schema = {
        "operationId": route.operation_id,
        "summary": route.summary,
        **({"description": f"Counts as {route.cost} requests."} if route.cost > 1 else {}),
        "tags": [route.path.split("/")[2]],
        "security": _SECURITY[route.auth],
        "responses": _responses(route, references),
    }
    if parameters := [*_path_parameters(route), *_query_parameters(route), *_headers(route)]:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = _body(route, references[route.body])
    return operation


def _body(route: AnyRoute, schema: Schema) -> Schema:
    assert route.body is not None  # noqa: S101  for the type checker; the caller has looked
    content: Schema = {"schema": schema}
    if route.body.model_fields:
        content["example"] = route.body_example
    required = any(member.is_required() for member in route.body.model_fields.values())
    others = {
        media: {"schema": {"type": "string"}, "example": example}
        for media, example in route.alternatives.items()
    }
    return {"required": required, "content": {JSON_TYPE: content, **others}}


def _path_parameters(route: AnyRoute) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            **({"example": route.example[name]} if name in route.example else {}),
        }
        for name in _PARAMETER.findall(route.path)
    ]


def _query_parameters(route: AnyRoute) -> list[Schema]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            **_described(member),
            **({"example": route.example[name]} if name in route.example else {}),
        }
        for name, member in schema["properties"].items()
    ]


def _described(member: Schema) -> Schema:
    """A parameter's schema and what is said of it; one that may be left out is never null."""
    ways: list[Schema] = member.get("anyOf", [])
    given = next((way for way in ways if way != {"type": "null"}), {})
    whole = {**given, **{key: value for key, value in member.items() if key != "anyOf"}}
    about = whole.pop("description", None)
    whole.pop("title", None)
    if whole.get("default", ...) is None:
        del whole["default"]
    return {"schema": whole} | ({"description": about} if about else {})


def _headers(route: AnyRoute) -> list[Schema]:
    if route.streams:
        about = "The id of the last event that was seen: what came after it is sent first."
        return [_header("Last-Event-ID", about, {"type": "string", "pattern": "^[0-9]{1,15}$"})]
    if _commands(route):
        return [
            _header(
                "Idempotency-Key",
                "The same key makes the same request happen once, and is answered the same.",
                {"type": "string", "pattern": "^[!#-~]{1,255}$"},
            ),
            _header(
                "Prefer",
                "`respond-async` asks for a 202 at once, `wait=n` to wait up to n seconds.",
                {"type": "string", "pattern": "^(respond-async|wait=[0-9]{1,2})$"},
            ),
        ]
    return [*_condition(route), *_patience(route), *_own_change(route)]


def _condition(route: AnyRoute) -> list[Schema]:
    if not route.conditional:
        return []
    schema = {"type": "string", "pattern": "^[!-~]{1,64}$"}
    return [_header("If-None-Match", "The `ETag` of a copy at hand: 304 if it is good.", schema)]


def _patience(route: AnyRoute) -> list[Schema]:
    if not route.waits:
        return []
    about = "`wait=n` to wait up to n seconds for the end of the work that this needs."
    return [_header("Prefer", about, {"type": "string", "pattern": "^wait=[0-9]{1,2}$"})]


def _own_change(route: AnyRoute) -> list[Schema]:
    if route.prefetch is None:
        return []
    about = "The `X-Position` of the caller's own last change: waits until it can be seen."
    schema = {"type": "string", "pattern": r"^member-[!-?A-~]{1,100}@[0-9]{1,15}$"}
    return [_header("X-Min-Position", about, schema)]


def _commands(route: AnyRoute) -> bool:
    """Whether it sends a command, whose outcome may take a while."""
    return route.method in ("POST", "DELETE") and not route.direct


def _header(name: str, description: str, schema: Schema) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema,
    }


def _responses(route: AnyRoute, references: Mapping[type[BaseModel], Schema]) -> Schema:
    responses: Schema = {
        str(status): {"$ref": _RESPONSES + _name(status)} for status in _problems(route)
    }
    if _commands(route):
        responses["202"] = _accepted("On its way.")
    if route.response is not None:
        phrase = HTTPStatus(route.success).phrase
        schema = references[route.response]
        if str(route.success) in responses:  # 202 with an answer, or before there is one
            schema = {"anyOf": [schema, {"$ref": f"{_SCHEMAS}Accepted"}]}
        responses[str(route.success)] = _json(phrase, schema)
    if route.success == HTTPStatus.NO_CONTENT:
        responses["204"] = {"description": "Done."}
    if route.media != JSON_TYPE:
        content: Schema = {route.media: {"schema": {"type": "string"}}}
        responses["200"] = {"description": "OK", "content": content}
    if route.streams:
        stream = {"schema": {"type": "string"}, "example": _EVENTS}
        responses["204"] = {"description": "It is over: nothing will follow."}
        responses["200"] = {"description": "Events.", "content": {"text/event-stream": stream}}
    if route.conditional:
        responses["304"] = {"description": "The copy at hand is good."}
    if route.pending:
        responses["202"] = _accepted("Not there yet.")
    return dict(sorted(responses.items()))


def _problems(route: AnyRoute) -> list[int]:
    statuses = {*_ALWAYS, *route.problems}
    if route.auth is not Auth.PUBLIC:
        statuses.add(403)
    if route.method == "DELETE":
        statuses.update((409, 422))  # an Idempotency-Key may be in use, or have been
    if route.auth in (Auth.ACCESS, Auth.PERSON, Auth.SERVICE, Auth.ADMIN):
        statuses.add(404)
    if route.body is not None:
        statuses.update(_WRITES)
    if route.query is not None:
        statuses.add(422)
    return sorted(statuses)


def _refusal(status: int) -> Schema:
    code, detail = _REFUSALS[status]
    example = orjson.loads(Problem(status, code, detail).body("0cb466c88d2d110e"))
    schema = {"$ref": f"{_SCHEMAS}Problem"}
    content = {PROBLEM_TYPE: {"schema": schema, "example": {**example, **_MORE.get(status, {})}}}
    response: Schema = {"description": HTTPStatus(status).phrase, "content": content}
    if status in _BACK:
        response["headers"] = {"Retry-After": _RETRY_AFTER}
    return response


def _accepted(description: str) -> Schema:
    location = {"description": "Where to look.", "schema": {"type": "string"}}
    return _json(description, {"$ref": f"{_SCHEMAS}Accepted"}) | {
        "headers": {"Location": location, "Retry-After": _RETRY_AFTER}
    }


def _name(status: int) -> str:
    return f"Problem{status}"


def _json(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {JSON_TYPE: {"schema": schema}}}
