"""Describe the parameters of routes in OpenAPI: path, query and headers."""

import re
from typing import Any, Final

from gateway.http.event_ids import PATTERN as EVENT_ID
from gateway.http.routing import AnyRoute

_PARAMETER: Final = re.compile(r"\{(\w+)\}")

Schema = dict[str, Any]


def parameters(route: AnyRoute) -> list[Schema]:
    """Return everything a route takes besides its body and token."""
    return [*_path(route), *_query(route), *_headers(route)]


def _path(route: AnyRoute) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            **_example(route, name),
        }
        for name in _PARAMETER.findall(route.path)
    ]


def _query(route: AnyRoute) -> list[Schema]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema()
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            **_described(member),
            **_example(route, name),
        }
        for name, member in schema["properties"].items()
    ]


def _example(route: AnyRoute, name: str) -> Schema:
    return {"example": route.example[name]} if name in route.example else {}


def _described(member: Schema) -> Schema:
    """Return a parameter's schema and description; an optional parameter is never null."""
    options: list[Schema] = member.get("anyOf", [])
    given = next((option for option in options if option != {"type": "null"}), {})
    schema = {**given, **{key: value for key, value in member.items() if key != "anyOf"}}
    description = schema.pop("description", None)
    schema.pop("title", None)
    if schema.get("default", ...) is None:
        del schema["default"]
    return {"schema": schema} | ({"description": description} if description else {})


def _headers(route: AnyRoute) -> list[Schema]:
    if route.streams:
        return [_LAST_EVENT_ID]
    headers = (
        (route.guesses, _PROOF_OF_WORK),
        (route.sends_command, _IDEMPOTENCY_KEY),
        (route.sends_command, _PREFER_COMMAND),
        (route.conditional, _IF_NONE_MATCH),
        (route.waits, _PREFER_READ),
        (route.takes_min_position, _MIN_POSITION),
    )
    return [header for takes, header in headers if takes]


def _header(name: str, pattern: str, description: str) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", "pattern": pattern},
    }


_LAST_EVENT_ID: Final = _header(
    "Last-Event-ID",
    EVENT_ID,
    "Id of the last event that was received; the stream begins after it.",
)
_IDEMPOTENCY_KEY: Final = _header(
    "Idempotency-Key",
    "^[!#-~]{1,255}$",
    "Requests with the same key are executed once and receive the same response.",
)
_PREFER_COMMAND: Final = _header(
    "Prefer",
    "^(respond-async|wait=[0-9]{1,2})$",
    "`respond-async` to receive 202 at once, `wait=n` to wait up to n seconds for the result.",
)
_PROOF_OF_WORK: Final = _header(
    "X-Proof-Of-Work",
    r"^[0-9]{1,12}[.][0-9]{1,2}[.][0-9a-f]{32}[.][0-9a-f]{64}[.][0-9]{1,20}$",
    "Solution of the `challenge` in a response with the code `proof_of_work_required`.",
)
_PREFER_READ: Final = _header(
    "Prefer",
    "^wait=[0-9]{1,2}$",
    "`wait=n` to wait up to n seconds until the result is complete.",
)
_IF_NONE_MATCH: Final = _header(
    "If-None-Match", "^[!-~]{1,64}$", "`ETag` of a stored copy: 304 if it is still current."
)
_MIN_POSITION: Final = _header(
    "X-Min-Position",
    r"^member-[!-?A-~]{1,100}@[0-9]{1,15}$",
    "`X-Position` of your last change: the response waits until that change is visible.",
)
