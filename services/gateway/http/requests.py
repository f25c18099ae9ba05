"""Read request bodies, queries and headers strictly: reject whatever is not fully understood."""

import asyncio
import re
from typing import Final, TypeVar

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import ValidationError

from gateway.http.bodies import Body, Empty
from gateway.http.field_errors import field_errors
from gateway.http.json_body import parse_json
from gateway.http.problems import Problem, invalid, malformed, not_found, printable
from gateway.http.routing import RequestContext

JSON_TYPES: Final = ("application/json",)
IDENTITY: Final = "identity"
BODY_SECONDS: Final = 10.0
"""Seconds within which a request body must arrive."""
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}", re.ASCII)

B = TypeVar("B", bound=Body)


class ClientDisconnected(Exception):
    """The client closed the connection before it had sent its request: no caller waits."""


async def receive_body(request: web.Request, max_bytes: int) -> bytes:
    """Return the bytes of a request body: every body is received here.

    Raises:
        ClientDisconnected: the client closed the connection.
        Problem: 400 if it is compressed or incomplete, 408 if it takes longer than `BODY_SECONDS`,
            413 if it is longer than `max_bytes`.
    """
    encodings = request.headers.getall(hdrs.CONTENT_ENCODING, ())
    if any(encoding.strip().lower() not in ("", IDENTITY) for encoding in encodings):
        raise malformed(
            "Send the body uncompressed, without Content-Encoding.",
            code="unsupported_content_encoding",
        )
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _receive(request, max_bytes)
    except (OSError, HttpProcessingError, web.RequestPayloadError) as error:
        if request.transport is None:
            raise ClientDisconnected from error
        if isinstance(error, TimeoutError):
            detail = "The request body took too long to arrive. Try again."
            raise Problem(408, "body_too_slow", detail) from error
        raise malformed("The request body does not match the request headers.") from error


async def _receive(request: web.Request, max_bytes: int) -> bytes:
    if (request.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _too_large(max_bytes: int) -> Problem:
    detail = f"The request body is too large: at most {max_bytes // 1024} KiB are accepted."
    return Problem(413, "request_entity_too_large", detail)


async def read_body(context: RequestContext, model: type[B]) -> B:
    """Return the request body as `model`.

    Raises:
        Problem: 400 if it is not JSON, 422 if it does not match the model.
    """
    if not context.body and model is Empty:
        return model()
    if context.request.content_type not in JSON_TYPES:
        raise malformed(
            "Send the body as JSON, with the header Content-Type: application/json.",
            code="unsupported_content_type",
        )
    return check(model, parse_json(context.body))


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
            raise malformed(f"The query parameter {printable(name)} is given more than once.")
    return check(model, dict(query))


def check(model: type[B], value: object) -> B:
    """Validate `value` as `model`.

    Raises:
        Problem: 422 with an error for each wrong field.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(field_errors(error)) from error


def id_in_path(context: RequestContext, parameter: str, unknown: str) -> str:
    """Return an id from the path.

    Raises:
        Problem: 404 with the detail `unknown`, as for the id of nothing, if it cannot be an id.
    """
    value: str = context.request.match_info[parameter]
    if _IDENTIFIER.fullmatch(value) is None:
        raise not_found(unknown)
    return value


def single_header(request: web.Request, name: str) -> str | None:
    """Return a header's value; None if it is absent.

    Raises:
        Problem: 400 if the header is repeated.
    """
    values = request.headers.getall(name, ())
    if len(values) > 1:
        raise Problem(400, "duplicate_header", f"The header {name} is given more than once.")
    return values[0] if values else None
