"""Everything that a command or a request may contain is bounded.

Events and views are not: what was stored must stay readable. They take their values from commands,
clocks and counters.
"""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from itertools import chain
from math import inf
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

import contracts
from contracts.messages import LATEST_TIME, MAX_SAFE_INTEGER, Command, CommandTime
from contracts.referrals import CodeIssued
from gateway.routes import ROUTES

MODULES = [import_module(f"contracts.{m.name}") for m in pkgutil.iter_modules(contracts.__path__)]
COMMANDS: set[type[BaseModel]] = {
    each
    for module in MODULES
    for each in vars(module).values()
    if isinstance(each, type)
    and issubclass(each, Command)
    and not each.model_fields["type"].is_required()
}
REQUESTS: set[type[BaseModel]] = {
    model for route in ROUTES for model in (route.body, route.query) if model is not None
}
MAX_TEXT, MAX_ENTRIES = 2_000, 100_000
Schema = dict[str, Any]


def unbounded(schema: Schema, definitions: Schema, where: str) -> Iterator[str]:
    """Yield the places of a JSON schema that accept values of any size."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if not is_bounded(schema):
        yield where
    for name, part in parts(schema):
        yield from unbounded(part, definitions, f"{where}.{name}")


def parts(schema: Schema) -> Iterator[tuple[str, Schema]]:
    options = chain(*(schema.get(key, ()) for key in ("anyOf", "allOf", "oneOf")))
    yield from (("", option) for option in options)
    yield from schema.get("properties", {}).items()
    yield from (("[]", schema[key]) for key in ("items",) if key in schema)


def is_bounded(schema: Schema) -> bool:
    """Return whether one value, without its parts, cannot grow without limit."""
    if {"const", "enum", "anyOf", "allOf", "oneOf", "properties"} & schema.keys():
        return True
    match schema.get("type"):
        case "integer" | "number":
            low, high = schema.get("minimum", -inf), schema.get("maximum", inf)
            return bool(-MAX_SAFE_INTEGER <= low <= high <= MAX_SAFE_INTEGER)
        case "string":
            return schema.get("maxLength", MAX_TEXT + 1) <= MAX_TEXT or is_finite(schema)
        case "array":
            return bool(schema.get("maxItems", MAX_ENTRIES + 1) <= MAX_ENTRIES)
        case "object":
            return schema.get("additionalProperties") is False  # and no properties: it is empty
        case other:
            return other in ("boolean", "null")


def is_finite(schema: Schema) -> bool:
    """Return whether a pattern bounds the length: it is anchored, and repeats nothing for ever."""
    pattern = schema.get("pattern", "")
    return pattern.startswith("^") and pattern.endswith("$") and not {"*", "+"} & set(pattern)


@pytest.mark.parametrize(
    "model",
    sorted(COMMANDS | REQUESTS, key=attrgetter("__name__")),
    ids=attrgetter("__name__"),
)
def test_every_value_of_a_command_or_a_request_is_bounded(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()
    assert list(unbounded(schema, schema.get("$defs", {}), model.__name__)) == []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"type": "integer", "minimum": 0},
        {"type": "integer", "minimum": 0, "maximum": 2**53},
        {"type": "number", "maximum": 1},
        {"type": "string", "pattern": "^a+$"},
        {"type": "string", "pattern": "a"},
        {"type": "array", "items": {"type": "boolean"}},
        {"type": "array", "maxItems": 3, "items": {"type": "integer"}},
        {"type": "object", "additionalProperties": {"type": "boolean"}},
        {"properties": {"a": {"anyOf": [{"type": "null"}, {"type": "integer"}]}}},
        {},
    ],
)
def test_the_walk_finds_what_is_unbounded(schema: Schema) -> None:
    assert list(unbounded(schema, {}, "it")) != []


@given(st.integers())
def test_a_time_in_a_command_is_a_date_of_four_digits(number: int) -> None:
    adapter = TypeAdapter(CommandTime)
    if 0 <= number <= LATEST_TIME:
        assert adapter.validate_python(number) == number
    else:
        with pytest.raises(ValidationError):
            adapter.validate_python(number)


@pytest.mark.parametrize("time", [LATEST_TIME + 1, 2**53 + 1, 2**63, 2**64 - 1])
def test_a_stored_event_with_a_later_time_stays_readable(time: int) -> None:
    stored = {
        "memberId": "alice",
        "code": "0000000000",
        "kind": "random",
        "expiresAt": time,
        "issuedAt": 1,
    }
    assert CodeIssued.model_validate(stored).expires_at == time
