"""Generate a sample of a message class from the types and constraints of its fields."""

import random
from collections.abc import Mapping, Sequence
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from hypothesis import find, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from contracts.messages import Message

M = TypeVar("M", bound=Message)

TIME = 1_800_000_000
TEXTS = (
    "alice@example.com",
    "2027-01-15",
    "2027-01",
    "MVA00W4CZS",
    "0x" + "ab" * 20,
    "0x" + "cd" * 32,
    "https://example.com/",
    "ab" * 32,
    "ab" * 16,
    "en",
    "1",
)
"""Tried in this order for a text whose constraints its field's name does not meet."""
NUMBERS = (1, 0, 2, 10, 100, TIME)


class NoSample(TypeError):
    """No value was found that meets the constraints of a field."""


def generate(cls: type[M]) -> M:
    """Return a sample, always the same one for the same fields; optional fields are set too.

    Raises:
        NoSample: no value meets a field's constraints; write the sample by hand in samples.py.
    """
    values = {name: _value(name, _declared(info), ()) for name, info in cls.model_fields.items()}
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise NoSample(f"{cls.__name__}: write a sample in samples.py, for {error}") from error


def _declared(info: FieldInfo) -> Any:
    return Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation


def _value(name: str, kind: Any, inside: tuple[Any, ...]) -> Any:
    """Return a value for a field of this type; `inside` names the models around it."""
    bare = _without_annotations(kind)
    if isinstance(bare, type) and issubclass(bare, Message):
        fields = bare.model_fields.items()
        return {each: _value(each, _declared(info), (*inside, bare)) for each, info in fields}
    origin, arguments = get_origin(bare), get_args(bare)
    if origin in (Union, UnionType):
        return _value(name, next(each for each in arguments if each is not NoneType), inside)
    if origin is Literal:
        return arguments[0]
    if origin in (tuple, list, Sequence):
        return [] if arguments[0] in inside else [_value(name, arguments[0], inside)]
    if origin in (dict, Mapping):
        return {_value("key", arguments[0], inside): _value(name, arguments[1], inside)}
    return _plain(name, kind)


def _without_annotations(kind: Any) -> Any:
    return _without_annotations(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def _plain(name: str, kind: Any) -> Any:
    """Return the first candidate that the type accepts, or else a text that its pattern matches."""
    adapter = TypeAdapter[Any](kind)
    schema = adapter.json_schema()
    accepted = (each for each in _candidates(name, schema) if _accepts(adapter, each))
    found = next(accepted, None)
    if found is not None:
        return found
    if "pattern" not in schema:
        raise NoSample(f"{name}: no candidate meets {schema}; write a sample in samples.py")
    return find(
        st.from_regex(schema["pattern"], fullmatch=True),
        partial(_accepts, adapter),
        settings=settings(database=None, derandomize=True),
        random=random.Random(0),
    )


def _candidates(name: str, schema: Mapping[str, Any]) -> tuple[Any, ...]:
    match schema.get("type"):
        case "boolean":
            return (True,)
        case "integer" | "number" if name.endswith("_at") or name in ("at", "since", "until"):
            return (TIME,)
        case "integer" | "number":
            return (*NUMBERS, schema.get("minimum"))
        case _:
            return (to_camel(name), *TEXTS)


def _accepts(adapter: TypeAdapter[Any], value: Any) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True
