"""Serve the web pages: files that `make web` has built, from memory and compressed."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import hdrs, web

from gateway.http.conditional import has_current
from gateway.http.docs import accepts_coding
from gateway.http.pages import STYLE_PATH

ROOT: Final = "/app/"
ASSETS: Final = "/app/assets/"
TOKEN_PAGES: Final = "token"  # noqa: S105  a path
"""First segment of the paths that the page of tokens has; the member pages have all others."""
_CODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
"""Preferred first, with the suffix of their files."""
_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_FOREVER: Final = "public, max-age=31536000, immutable"
_ASK: Final = "no-cache"

Handler = Callable[[Any], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class SignIn:
    """Describe to the pages where people sign in."""

    issuer: str
    client_id: str
    origin: str
    """Origin of Cognito's hosted pages; empty: there are none."""
    sign_up: bool
    """Whether the hosted pages let new people sign up."""

    def as_json(self) -> bytes:
        """Return the body of `/app/config.json`."""
        return orjson.dumps(
            {
                "issuer": self.issuer,
                "clientId": self.client_id,
                "signInOrigin": self.origin,
                "signUp": self.sign_up,
            }
        )


def policy(sign_in_origin: str) -> str:
    """Return the content security policy: scripts of this host only, checked by Trusted Types."""
    reachable = f"'self' {sign_in_origin}".strip()
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src 'self' data: blob:; connect-src {reachable}; "
        "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types vouch"
    )


@dataclass(frozen=True, slots=True)
class File:
    """Serve one file in the encodings that exist of it."""

    content_type: str
    bodies: Mapping[str, bytes]
    """Body by content coding; "" is the file as it is."""
    headers: Mapping[str, str]
    tag: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self.bodies[""]).hexdigest()[:16]
        object.__setattr__(self, "tag", digest)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Return the file, or 304 if the client has it in this encoding."""
        coding = next((c for c in self.bodies if c and accepts_coding(request, c)), "")
        etag = f"{self.tag}-{coding}" if coding else self.tag
        headers = {hdrs.VARY: hdrs.ACCEPT_ENCODING, **self.headers}
        if has_current(request, f'"{etag}"'):
            response = web.Response(status=304, headers=headers)
        else:
            response = web.Response(body=self.bodies[coding], headers=headers)
            response.content_type, response.charset = self.content_type, "utf-8"
            if coding:
                response.headers[hdrs.CONTENT_ENCODING] = coding
        response.etag = etag
        return response


class WebPages:
    """Hold the built files, which do not change while the process runs."""

    def __init__(self, directory: Path, sign_in: SignIn) -> None:
        """Read the files.

        Raises:
            FileNotFoundError: the directory has no built pages.
        """
        html = {
            hdrs.CACHE_CONTROL: _ASK,
            "Content-Security-Policy": policy(sign_in.origin),
            "Cross-Origin-Opener-Policy": "same-origin",
        }
        self._member = _load(directory / "member.html", html)
        self._token = _load(directory / "token.html", html)
        asked: dict[str, str] = {hdrs.CACHE_CONTROL: _ASK}
        self._files = {
            f"{ROOT}icon.svg": _load(directory / "icon.svg", asked),
            STYLE_PATH: _load(directory / "pages.css", asked),
            f"{ROOT}config.json": File("application/json", {"": sign_in.as_json()}, asked),
        }
        for path in sorted((directory / "assets").iterdir()):
            if path.suffix in _TYPES:
                self._files[ASSETS + path.name] = _load(path, {hdrs.CACHE_CONTROL: _FOREVER})

    def add_to(self, app: web.Application, limited: Callable[[Handler], Handler]) -> None:
        """Serve all paths below `/app/`, each through `limited`, and lead `/` there."""
        app.router.add_get(f"{ROOT}{{path:.*}}", limited(self._serve))
        for path, target in (("/", ROOT), ("/app", ROOT), ("/favicon.ico", f"{ROOT}icon.svg")):
            app.router.add_get(path, limited(_redirecting(target)))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """Return a file by its exact path, or the page that shows a path.

        Raises:
            HTTPNotFound: the path looks like a file's, and there is no such file.
        """
        if (found := self._files.get(request.path)) is not None:
            return await found.serve(request)
        first, *further = request.path.removeprefix(ROOT).split("/")
        if request.path.startswith(ASSETS) or "." in (further or [first])[-1]:
            raise web.HTTPNotFound
        page = self._token if first == TOKEN_PAGES else self._member
        return await page.serve(request)


def _redirecting(target: str) -> Handler:
    async def redirect(request: web.Request) -> web.StreamResponse:
        del request
        return web.Response(status=302, headers={hdrs.LOCATION: target})

    return redirect


def _load(path: Path, headers: Mapping[str, str]) -> File:
    """Read a file and its compressed copies."""
    copies = {coding: path.with_name(path.name + suffix) for coding, suffix in _CODINGS}
    bodies = {coding: copy.read_bytes() for coding, copy in copies.items() if copy.exists()}
    return File(_TYPES[path.suffix], {**bodies, "": path.read_bytes()}, headers)
