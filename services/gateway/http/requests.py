"""Read request bodies, queries and headers strictly: reject whatever is not fully understood."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.http.bodies import MAX_NESTING, Body, Empty
from gateway.http.problems import FieldError, Problem, invalid, malformed
from gateway.http.routing import RequestContext

JSON_TYPES: Final = ("application/json",)
IDENTITY: Final = "identity"
BODY_SECONDS: Final = 10.0
"""Seconds within which a request body must arrive."""
_PREFIXES = ("Value error, ", "Assertion failed, ")
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "string_pattern_mismatch": "does not have the expected format",
}
"""pydantic error type -> wording for users; pydantic's own speaks of inputs and patterns."""

B = TypeVar("B", bound=Body)


async def read_body(context: RequestContext, model: type[B]) -> B:
    """Return the request body as `model`.

    Raises:
        Problem: 400 if it is not JSON, 408 if it is too slow, 413 if it is too large, 422 if it
            does not match the model.
    """
    raw = await read_raw(context)
    if not raw and model is Empty:
        return model()
    if context.request.content_type not in JSON_TYPES:
        raise malformed(
            "Send the body as JSON, with the header Content-Type: application/json.",
            code="unsupported_content_type",
        )
    return check(model, parse_json(raw, model.max_brackets))


async def read_raw(context: RequestContext) -> bytes:
    """Return the bytes of the request body.

    Raises:
        Problem: 400 if it is compressed or incomplete, 408 if it takes longer than `BODY_SECONDS`,
            413 if it is too large.
    """
    request = context.request
    if request.headers.get(hdrs.CONTENT_ENCODING, IDENTITY).lower() != IDENTITY:
        raise malformed(
            "Send the body uncompressed, without Content-Encoding.",
            code="unsupported_content_encoding",
        )
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError as error:
        detail = "The request body took too long to arrive. Try again."
        raise Problem(408, "body_too_slow", detail) from error
    except (HttpProcessingError, web.RequestPayloadError) as error:
        raise malformed("The request body does not match the request headers.") from error


def read_query(context: RequestContext, model: type[B]) -> B:
    """Return the query string as `model`.

    Raises:
        Problem: 400 if a parameter is repeated, 422 if one is unknown, missing or wrong.
    """
    request = context.request
    if not request.query_string and model is Empty:
        return model()
    query = request.query
    for name in query:
        if len(query.getall(name)) > 1:
            raise malformed(f"The query parameter {_printable(name)} is given more than once.")
    return check(model, dict(query))


def parse_json(raw: bytes, brackets: int = MAX_NESTING) -> object:
    """Parse UTF-8 JSON without duplicate names, NaN, lone surrogates or deep nesting.

    Raises:
        Problem: 400, with what is wrong and where.
    """
    if raw.count(b"[") + raw.count(b"{") > brackets:
        raise malformed("The body is nested too deeply.")
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # fails on lone surrogates
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise malformed(f"The body is not JSON: {error.msg} at {where}.") from error
    except UnicodeError as error:
        raise malformed("The body is not UTF-8 text.") from error
    except ValueError as error:
        raise malformed(f"The body is not plain JSON: {error}.") from error
    return value


def check(model: type[B], value: object) -> B:
    """Validate `value` as `model`.

    Raises:
        Problem: 422 with an error for each wrong field.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        rows = error.errors(include_url=False, include_input=False)
        raise invalid([_field_error(row) for row in rows]) from error


def single_header(request: web.Request, name: str) -> str | None:
    """Return a header's value; None if it is absent.

    Raises:
        Problem: 400 if the header is repeated.
    """
    values = request.headers.getall(name, ())
    if len(values) > 1:
        raise Problem(400, "duplicate_header", f"The header {name} is given more than once.")
    return values[0] if values else None


def _field_error(row: ErrorDetails) -> FieldError:
    where = ".".join(str(part) for part in row["loc"])
    detail = _WORDS.get(row["type"], row["msg"])
    for prefix in _PREFIXES:
        detail = detail.removeprefix(prefix)
    return FieldError(_printable(where) if where else "body", detail)


def _printable(name: str) -> str:
    """Return a name from the request, shortened and without unprintable characters."""
    return "".join(c if c.isprintable() else "?" for c in name[:64])


def _unique(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    value: dict[str, Any] = {}
    for name, member in pairs:
        if name in value:
            raise ValueError(f"duplicate name {_printable(name)!r} in an object")
        value[name] = member
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
