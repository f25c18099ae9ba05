"""Serve the API description: the OpenAPI document, and a page that loads from this host only."""

import hashlib
from importlib.resources import files
from importlib.util import find_spec
from typing import Final

from aiohttp import web

ASSETS: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_BUNDLE: Final = "swagger_ui_bundle"
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Vouch API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START: Final = """fetch("/v1/openapi.json")
  .then((response) => response.json())
  .then((spec) => SwaggerUIBundle({
    // version 4 of the page displays a 3.1 document, but rejects its version number
    spec: {...spec, openapi: "3.0.3"},
    dom_id: "#api",
    deepLinking: true,
    persistAuthorization: true,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    // the page would wait for the end of an event stream
    plugins: [() => ({statePlugins: {spec: {wrapSelectors: {
      allowTryItOutFor: () => (_state, path, method) => !spec.paths[path][method].responses["200"]
        ?.content?.["text/event-stream"],
    }}}})],
  }));
"""
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def add_description(app: web.Application, document: bytes) -> None:
    """Serve `/v1/openapi.json`, and `/docs` if the package with the page's assets is installed."""
    _serve(app, "/v1/openapi.json", document, "application/json")
    if find_spec(_BUNDLE) is None:
        return
    _serve(app, "/docs", _PAGE.encode(), "text/html")
    _serve(app, "/docs/start.js", _START.encode(), "text/javascript")
    for name, content_type in ASSETS.items():
        _serve(app, f"/docs/{name}", _asset(name), content_type)


def _asset(name: str) -> bytes:
    (folder,) = (child for child in files(_BUNDLE).joinpath("vendor").iterdir() if child.is_dir())
    return folder.joinpath(name).read_bytes()


def _serve(app: web.Application, path: str, body: bytes, content_type: str) -> None:
    etag = hashlib.sha256(body).hexdigest()[:16]
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "public, max-age=300"}

    async def serve(request: web.Request) -> web.StreamResponse:
        if any(tag.value == etag for tag in request.if_none_match or ()):
            response = web.Response(status=304, headers=headers)
        else:
            response = web.Response(body=body, content_type=content_type, headers=headers)
        response.etag = etag
        return response

    app.router.add_get(path, serve)
