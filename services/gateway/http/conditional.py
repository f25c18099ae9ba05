"""Respond with an ETag, or with 304 Not Modified if the caller has the current version."""

import zlib
from typing import Any

from aiohttp import hdrs
from multidict import istr

from chassis.views.read_models import Document
from gateway.http.responses import Response
from gateway.http.routing import RequestContext

ETAG = istr("ETag")


def document_response(context: RequestContext, document: Document[Any]) -> Response:
    """Return the stored bytes of a document, or 304 if the caller has them."""
    return etag_response(context, document.body, etag_of(document))


def etag_response(context: RequestContext, body: bytes, etag: str) -> Response:
    """Return `body` with its ETag, or 304 if `If-None-Match` names it."""
    headers: dict[str, str] = {ETAG: etag, hdrs.CACHE_CONTROL: "private, no-cache"}
    if_none_match = context.request.headers.get(hdrs.IF_NONE_MATCH)
    if if_none_match is not None and _matches(if_none_match, etag):
        return Response(304, b"", headers)
    return Response(200, body, headers)


def etag_of(document: Document[Any]) -> str:
    """Return version and checksum: a rebuild may change a document without a new event."""
    return f'"{document.version}-{zlib.crc32(document.body):08x}"'


def _matches(if_none_match: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag.removeprefix("W/") in tags or "*" in tags
