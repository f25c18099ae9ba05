"""Send finished responses in one write, without what aiohttp checks for each response."""

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from gateway.edge.aiohttp_internals import serialize_headers
from gateway.http.responses import Response

SECURITY_HEADERS: Final = {
    "Server": "vouch",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
}
"""Headers that every response has."""
WITHOUT_CONTENT: Final = frozenset({204, 304})
"""Statuses of responses without body, `Content-Length` and `Content-Type`."""


class FastResponse(web.StreamResponse):
    """Send a complete response without streaming, compression, cookies or signals.

    aiohttp checks for each of these on every response. `SECURITY_HEADERS` are sent in addition to
    `headers`. To HEAD only the headers are sent.
    """

    # plain attributes where aiohttp has properties
    status = 200
    headers: CIMultiDict[str] = CIMultiDict()
    prepared = False
    keep_alive: bool | None = None

    def __init__(self, response: Response) -> None:
        # aiohttp's constructor prepares what is not used here
        self.status, self._content, headers, content_type, _ = response
        self.headers = CIMultiDict(headers)
        if self.status in WITHOUT_CONTENT:
            self._content = b""
        else:
            self.headers[hdrs.CONTENT_TYPE] = content_type
            self.headers[hdrs.CONTENT_LENGTH] = str(len(self._content))

    def force_close(self) -> None:
        self.keep_alive = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        writer = request.writer
        if self.prepared:
            return writer
        self.prepared, self._writer = True, writer
        if self.keep_alive is None:
            self.keep_alive = request.keep_alive
        self.headers[hdrs.DATE] = _http_date(int(time.time()))
        start = _start(request.version, self.status, self.keep_alive)
        content = b"" if request.method == hdrs.METH_HEAD else self._content
        self._message = b"".join((start, serialize_headers("", self.headers), content))
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        assert not data, "the body is complete"  # noqa: S101  as in aiohttp's own class
        await self._writer.write(self._message)
        await self._writer.drain()


@lru_cache(maxsize=256)
def _start(version: HttpVersion, status: int, keep_alive: bool) -> bytes:  # noqa: FBT001
    """Return the status line and the headers that depend on nothing else, without a line end."""
    headers = dict(SECURITY_HEADERS)
    if not keep_alive and version == HttpVersion11:
        headers["Connection"] = "close"
    if keep_alive and version == HttpVersion10:
        headers["Connection"] = "keep-alive"
    line = f"HTTP/{version[0]}.{version[1]} {status} {_reason(status)}"
    return "\r\n".join([line, *(f"{name}: {value}" for name, value in headers.items())]).encode()


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
