"""The description of the API (OpenAPI 3.1), made from the table of routes and the contracts."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.errors import PROBLEM_TYPE
from gateway.http import JSON_TYPE, Auth, Route

VERSION: Final = "0.1.0"
_SCHEMAS: Final = "#/components/schemas/"
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_ALWAYS: Final = (400, 429, 500, 503)
_WRITES: Final = (408, 409, 413, 422)
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
    },
}

Schema = dict[str, Any]


def describe(routes: Iterable[Route]) -> Schema:
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


def _schemas(routes: tuple[Route, ...]) -> tuple[dict[type[BaseModel], Schema], Schema]:
    bodies = {(route.body, "validation") for route in routes if route.body is not None}
    answers = {(route.answer, "serialization") for route in routes if route.answer is not None}
    models: Any = sorted(bodies | answers, key=lambda pair: pair[0].__name__)
    references, definitions = models_json_schema(models, ref_template=_SCHEMAS + "{model}")
    return {model: schema for (model, _), schema in references.items()}, definitions["$defs"]  # type: ignore[misc]  # models only


def _operation(route: Route, references: Mapping[type[BaseModel], Schema]) -> Schema:
    operation: Schema = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "tags": [route.path.split("/")[2]],
        "security": _SECURITY[route.auth],
        "responses": _responses(route, references),
    }
    if parameters := [*_path_parameters(route), *_query_parameters(route), *_headers(route)]:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = _body(route, references[route.body])
    return operation


def _body(route: Route, schema: Schema) -> Schema:
    assert route.body is not None  # noqa: S101  for the type checker; the caller has looked
    content: Schema = {"schema": schema}
    if route.body.model_fields:
        content["example"] = route.body_example
    required = any(member.is_required() for member in route.body.model_fields.values())
    return {"required": required, "content": {JSON_TYPE: content}}


def _path_parameters(route: Route) -> list[Schema]:
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


def _query_parameters(route: Route) -> list[Schema]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": {key: value for key, value in member.items() if key != "title"},
            **({"example": route.example[name]} if name in route.example else {}),
        }
        for name, member in schema["properties"].items()
    ]


def _headers(route: Route) -> list[Schema]:
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
    return [*_condition(route), *_patience(route)]


def _condition(route: Route) -> list[Schema]:
    if not route.conditional:
        return []
    schema = {"type": "string", "pattern": "^[!-~]{1,64}$"}
    return [_header("If-None-Match", "The `ETag` of a copy at hand: 304 if it is good.", schema)]


def _patience(route: Route) -> list[Schema]:
    if not route.waits:
        return []
    about = "`wait=n` to wait up to n seconds for the end of the work that this needs."
    return [_header("Prefer", about, {"type": "string", "pattern": "^wait=[0-9]{1,2}$"})]


def _commands(route: Route) -> bool:
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


def _responses(route: Route, references: Mapping[type[BaseModel], Schema]) -> Schema:
    responses: Schema = {str(status): _problem(status) for status in _problems(route)}
    if _commands(route):
        responses["202"] = _json("On its way.", {"$ref": f"{_SCHEMAS}Accepted"})
    if route.answer is not None:
        phrase = HTTPStatus(route.success).phrase
        schema = references[route.answer]
        if str(route.success) in responses:  # 202 with an answer, or before there is one
            schema = {"anyOf": [schema, {"$ref": f"{_SCHEMAS}Accepted"}]}
        responses[str(route.success)] = _json(phrase, schema)
    if route.success == HTTPStatus.NO_CONTENT:
        responses["204"] = {"description": "Done."}
    if route.media != JSON_TYPE:
        content: Schema = {route.media: {"schema": {"type": "string"}}}
        responses["200"] = {"description": "OK", "content": content}
    if route.streams:
        stream = {"schema": {"type": "string"}}
        responses["200"] = {"description": "Events.", "content": {"text/event-stream": stream}}
    if route.conditional:
        responses["304"] = {"description": "The copy at hand is good."}
    if route.later:
        responses["202"] = _json("Not there yet.", {"$ref": f"{_SCHEMAS}Accepted"})
    return dict(sorted(responses.items()))


def _problems(route: Route) -> list[int]:
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


def _problem(status: int) -> Schema:
    content = {PROBLEM_TYPE: {"schema": {"$ref": f"{_SCHEMAS}Problem"}}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _json(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {JSON_TYPE: {"schema": schema}}}
