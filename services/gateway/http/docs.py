"""Serve the API description: the OpenAPI document, and a page that loads from this host only."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

import orjson
from aiohttp import web

from gateway.http.conditional import has_current
from gateway.http.docs_page.page import SCRIPT_PATH, STYLE_PATH, render

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Description:
    """Hold the OpenAPI document as JSON and as a page."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.json = orjson.dumps(document, option=orjson.OPT_INDENT_2)
        self.page = render(document).encode()


def add_description(app: web.Application, description: Description) -> None:
    """Serve the description at `/v1/openapi.json` and `/docs`."""
    assets = files("gateway.http.docs_page")
    _serve(app, "/v1/openapi.json", description.json, "application/json")
    _serve(app, "/docs", description.page, "text/html")
    _serve(app, STYLE_PATH, assets.joinpath("style.css").read_bytes(), "text/css")
    _serve(app, SCRIPT_PATH, assets.joinpath("try.js").read_bytes(), "text/javascript")


def _serve(app: web.Application, path: str, body: bytes, content_type: str) -> None:
    etag = hashlib.sha256(body).hexdigest()[:16]
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "public, max-age=300"}

    async def serve(request: web.Request) -> web.StreamResponse:
        if has_current(request, f'"{etag}"'):
            response = web.Response(status=304, headers=headers)
        else:
            response = web.Response(body=body, content_type=content_type, headers=headers)
        response.etag = etag
        return response

    app.router.add_get(path, serve)
