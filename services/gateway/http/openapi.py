"""Describe the API as an OpenAPI 3.1 document, made from the routes and their models."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.http.openapi_parameters import parameters
from gateway.http.openapi_responses import SCHEMAS, error_responses, responses, shared_schemas
from gateway.http.responses import JSON_TYPE
from gateway.http.routing import AnyRoute, Auth

VERSION: Final = "0.1.0"
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

Every error response, and every response with status 202, has `status_code` and a `detail` that may
be shown to the user; `code` is for programs. Status 403 means that the token is missing, malformed,
expired or revoked, and nothing else: send the user to the log-in screen.

Every GET can be sent as HEAD, which returns the same status and headers and starts nothing. Request
bodies are UTF-8 without compression, at most 64 KiB long unless an operation says otherwise.
"""

Schema = dict[str, Any]


def describe(routes: Iterable[AnyRoute]) -> Schema:
    """Return the complete document, ready to be written as JSON."""
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
            "schemas": schemas | shared_schemas(),
            "responses": error_responses(),
            "securitySchemes": {
                name: _bearer(description) for name, description in _SECURITY_SCHEMES.items()
            },
        },
    }


def _bearer(description: str) -> Schema:
    return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": description}


def _schemas(routes: tuple[AnyRoute, ...]) -> tuple[dict[type[BaseModel], Schema], Schema]:
    bodies = {(route.body, "validation") for route in routes if route.body is not None}
    results = {(route.response, "serialization") for route in routes if route.response is not None}
    models: Any = sorted(bodies | results, key=lambda pair: pair[0].__name__)
    references, definitions = models_json_schema(models, ref_template=SCHEMAS + "{model}")
    return {model: schema for (model, _), schema in references.items()}, definitions["$defs"]  # type: ignore[misc]  # models only


def _operation(route: AnyRoute, references: Mapping[type[BaseModel], Schema]) -> Schema:
    operation: Schema = {
        "operationId": route.operation_id,
        "summary": route.summary,
        **({"description": f"Counts as {route.cost} requests."} if route.cost > 1 else {}),
        "tags": [route.path.split("/")[2]],
        "security": _SECURITY[route.auth],
        "responses": responses(route, references),
    }
    if declared := parameters(route):
        operation["parameters"] = declared
    if route.body is not None:
        operation["requestBody"] = _body(route, route.body, references[route.body])
    return operation


def _body(route: AnyRoute, model: type[BaseModel], schema: Schema) -> Schema:
    content: Schema = {"schema": schema}
    if model.model_fields:
        content["example"] = route.body_example
    alternatives = {
        media: {"schema": {"type": "string"}, "example": example}
        for media, example in route.alternatives.items()
    }
    return {
        "description": f"At most {route.max_body_bytes // 1024} KiB, uncompressed.",
        "required": any(member.is_required() for member in model.model_fields.values()),
        "content": {JSON_TYPE: content, **alternatives},
    }
