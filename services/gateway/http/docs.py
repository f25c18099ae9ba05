"""Serve the API description: the OpenAPI document, and a page that loads from this host only."""

import gzip
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any, Final

import orjson
from aiohttp import hdrs, web

from gateway.http.conditional import has_current
from gateway.http.docs_page.page import SCRIPT_PATH, STYLE_PATH, render

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "public, max-age=300",
    "Vary": "Accept-Encoding",
}


class Description:
    """Hold the OpenAPI document as JSON and as a page."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.json = orjson.dumps(document, option=orjson.OPT_INDENT_2)
        self.page = render(document).encode()


Handler = Callable[[Any], Awaitable[web.StreamResponse]]


def add_description(
    app: web.Application, description: Description, limited: Callable[[Handler], Handler]
) -> None:
    """Serve the description at `/v1/openapi.json` and `/docs`, each through `limited`."""
    assets = files("gateway.http.docs_page")
    pages = {
        "/v1/openapi.json": (description.json, "application/json"),
        "/docs": (description.page, "text/html"),
        STYLE_PATH: (assets.joinpath("style.css").read_bytes(), "text/css"),
        SCRIPT_PATH: (assets.joinpath("try.js").read_bytes(), "text/javascript"),
    }
    for path, (body, content_type) in pages.items():
        app.router.add_get(path, limited(_Page(body, content_type).serve))


class _Page:
    """Serve a file from memory: as it is, or compressed once."""

    def __init__(self, body: bytes, content_type: str) -> None:
        self._identity, self._compressed = body, gzip.compress(body, mtime=0)
        self._content_type = content_type
        self._digest = hashlib.sha256(body).hexdigest()[:16]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Return the file, or 304 if the client has it in this encoding."""
        compressed = accepts_coding(request, "gzip")
        etag = f"{self._digest}-gzip" if compressed else self._digest
        if has_current(request, f'"{etag}"'):
            response = web.Response(status=304, headers=_HEADERS)
        else:
            body = self._compressed if compressed else self._identity
            response = web.Response(body=body, content_type=self._content_type, headers=_HEADERS)
            if compressed:
                response.headers[hdrs.CONTENT_ENCODING] = "gzip"
        response.etag = etag
        return response


def accepts_coding(request: web.Request, wanted: str) -> bool:
    """Return whether `Accept-Encoding` allows a content coding; a quality of 0 forbids it."""
    for entry in ",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ())).lower().split(","):
        coding, _, quality = entry.replace(" ", "").partition(";q=")
        if coding.removeprefix("x-") == wanted:
            return quality.strip("0.") != "" or not quality
    return False
