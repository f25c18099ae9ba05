"""Respond with an ETag, or with 304 Not Modified if the caller has the current version."""

import re
import zlib
from typing import Any, Final

from aiohttp import hdrs, web
from multidict import istr
from pydantic import BaseModel

from chassis.views.read_models import Document
from gateway.http.responses import Response
from gateway.http.routing import RequestContext

ETAG = istr("ETag")
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')
_TAGS: Final = re.compile(r'(?:[ \t,]*+(?:W/)?"[^"]*"[ \t]*+(?=,|\Z))++[ \t,]*+')


def document_response(context: RequestContext, document: Document[Any]) -> Response:
    """Return the stored bytes of a document, or 304 if the caller has them."""
    return etag_response(context, document.body, etag_of(document))


def etag_response(context: RequestContext, body: bytes, etag: str) -> Response:
    """Return `body` with its ETag, or 304 if `If-None-Match` names it."""
    headers: dict[str, str] = {ETAG: etag, hdrs.CACHE_CONTROL: "private, no-cache"}
    if has_current(context.request, etag):
        return Response(304, b"", headers)
    return Response(200, body, headers)


def view_response(context: RequestContext, view: BaseModel) -> Response:
    """Return a view that has no version, with a checksum as its ETag, or 304."""
    body = view.model_dump_json().encode()
    return etag_response(context, body, f'"{zlib.crc32(body):08x}"')


def etag_of(document: Document[Any]) -> str:
    """Return version and checksum: a rebuild may change a document without a new event."""
    return f'"{document.version}-{zlib.crc32(document.body):08x}"'


def has_current(request: web.Request, etag: str) -> bool:
    """Return whether `If-None-Match` names this version, strong or weak, or any (RFC 9110).

    The header may have several lines. One that is malformed is ignored.
    """
    lines = request.headers.getall(hdrs.IF_NONE_MATCH, ())
    return bool(lines) and _names(",".join(lines), etag.removeprefix("W/"))


def _names(if_none_match: str, opaque: str) -> bool:
    if if_none_match.strip() == "*":
        return True
    if _TAGS.fullmatch(if_none_match) is None:
        return False
    return opaque in _TAG.findall(if_none_match)
