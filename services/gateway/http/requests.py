"""Requests read strictly: what is not understood to the last byte is refused, never guessed."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final, TypeVar

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from gateway.http.problems import FieldError, Problem, invalid, malformed

JSON_TYPES: Final = ("application/json",)
IDENTITY: Final = "identity"
MAX_NESTING: Final = 16
BODY_SECONDS: Final = 10.0
_PREFIXES = ("Value error, ", "Assertion failed, ")
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_pattern_mismatch": "is not written as it should be",
}
"""For users, who may read this: pydantic speaks of fields, inputs and patterns."""

B = TypeVar("B", bound="Body")


class Body(BaseModel):
    """A request body: camelCase names, exact types, nothing beyond what is declared."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=False,
        use_attribute_docstrings=True,
    )
    max_brackets: ClassVar[int] = MAX_NESTING
    """Objects and lists of one body: no more can be nested than there are."""


class Empty(Body):
    """For requests that say everything in their path and token."""


async def read_body(request: web.Request, model: type[B]) -> B:
    """The body as `model`.

    Raises:
        Problem: 400 if it is not JSON, 413 if it is too large, 422 if it is not this model.
    """
    raw = await read_raw(request)
    if not raw and model is Empty:
        return model()
    if request.content_type not in JSON_TYPES:
        raise malformed(
            "the body must be JSON, with the header Content-Type: application/json",
            code="unsupported_content_type",
        )
    return check(model, parse_json(raw, model.max_brackets))


async def read_raw(request: web.Request) -> bytes:
    """The body's bytes.

    Raises:
        Problem: 400 or 408 if it does not arrive whole or is compressed, 413 if it is too large.
    """
    if request.headers.get(hdrs.CONTENT_ENCODING, IDENTITY).lower() != IDENTITY:
        raise malformed(
            "the body must be sent as it is, without Content-Encoding",
            code="unsupported_content_encoding",
        )
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError as error:
        raise Problem(408, "body_too_slow", "the request body took too long to arrive") from error
    except (HttpProcessingError, web.RequestPayloadError) as error:
        raise malformed("the request body is not sent as its headers say") from error


def read_query(request: web.Request, model: type[B]) -> B:
    """The query string as `model`; each parameter at most once.

    Raises:
        Problem: 400 if a parameter is repeated, 422 if it is unknown, missing or wrong.
    """
    if not request.query_string and model is Empty:
        return model()
    query = request.query
    for name in query:
        if len(query.getall(name)) > 1:
            raise malformed(f"the query parameter {_shown(name)} is given more than once")
    return check(model, dict(query))


def parse_json(raw: bytes, brackets: int = MAX_NESTING) -> object:
    """JSON in UTF-8, without duplicate names, NaN, deep nesting or lone surrogates.

    Raises:
        Problem: 400, saying what and where.
    """
    if raw.count(b"[") + raw.count(b"{") > brackets:
        raise malformed("the body is nested too deep")
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # no lone surrogates
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise malformed(f"the body is not JSON: {error.msg} at {where}") from error
    except UnicodeError as error:
        raise malformed("the body is not UTF-8 text") from error
    except ValueError as error:
        raise malformed(f"the body is not plain JSON: {error}") from error
    return value


def check(model: type[B], value: object) -> B:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid([_field_error(row) for row in _rows(error)]) from error


def _rows(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_input=False)


def _field_error(row: ErrorDetails) -> FieldError:
    where = ".".join(str(part) for part in row["loc"])
    detail = _WORDS.get(row["type"], row["msg"])
    for prefix in _PREFIXES:
        detail = detail.removeprefix(prefix)
    return FieldError(_shown(where) if where else "body", detail)


def _shown(name: str) -> str:
    """A name from the request, short and printable."""
    return "".join(c if c.isprintable() else "?" for c in name[:64])


def _unique(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    value: dict[str, Any] = {}
    for name, member in pairs:
        if name in value:
            raise ValueError(f"the name {_shown(name)!r} stands twice in one object")
        value[name] = member
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def single_header(request: web.Request, name: str) -> str | None:
    """A header that may be given once.

    Raises:
        Problem: 400 if it is given twice.
    """
    values = request.headers.getall(name, ())
    if len(values) > 1:
        raise Problem(400, "duplicate_header", f"the header {name} is given more than once")
    return values[0] if values else None
