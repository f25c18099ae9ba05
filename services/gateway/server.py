"""The listening server, and its answer to what is not even HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from gateway.errors import Problem, uncaught
from gateway.ids import request_id

MAX_HEADER_BYTES: Final = 16_384
"""A header block's longest line: two tokens' length, and no more."""

BACKLOG: Final = 1_024
SILENT_SECONDS: Final = 15.0
"""How long a new connection may take over its first request line and headers."""
KEEP_ALIVE_SECONDS: Final = 75.0

log = structlog.get_logger(__name__)


class Connection(RequestHandler):
    """aiohttp answers requests that its parser refuses by itself, in plain text, and quotes them.

    Middlewares never see those requests, so the answer has to be changed here.
    `gone` is set when the connection is, for handlers that write now and then only.
    """

    __slots__ = ("_patience", "gone")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.gone = asyncio.Event()
        self._patience = asyncio.get_running_loop().call_later(SILENT_SECONDS, self._lose_patience)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._patience.cancel()
        self.gone.set()
        super().connection_lost(exc)

    def _lose_patience(self) -> None:
        """aiohttp closes idle connections, but waits for ever for the first request's end."""
        if self._request_count == 0:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        del message  # quotes the request, a bearer token perhaps
        number = request_id()
        log.warning("request_refused", request_id=number, status=status, error=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of another answer has been sent already")
        response = _problem(status, exc).response(number)
        response.headers.update({"X-Request-ID": number, "Server": "vouch"})
        response.force_close()
        return response


def _problem(status: int, exc: BaseException | None) -> Problem:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return uncaught()
    if isinstance(exc, LineTooLong):
        return Problem(400, "header_too_large", "the request line or a header is too long")
    return Problem(400, "malformed_http", "this is not a well-formed HTTP/1.1 request")


class Runner(web.AppRunner):
    """Runs an application on connections of the kind above."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return _Server(server)


class _Server(web.Server):
    def __init__(self, made: web.Server) -> None:
        super().__init__(
            made.request_handler,
            request_factory=made.request_factory,
            loop=asyncio.get_running_loop(),
            **made._kwargs,  # noqa: SLF001  aiohttp has no seam for the class of a connection
        )

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


@contextlib.asynccontextmanager
async def serving(
    app: web.Application,
    host: str,
    port: int,
    *,
    shutdown_seconds: float = 30.0,
    shared: bool = False,
) -> AsyncIterator[int]:
    """Listen; yields the port (0 takes any free one). Leaving waits for the requests in flight.

    `shared` lets several processes listen on the same port; the kernel deals out connections.
    """
    runner = Runner(
        app,
        access_log=None,
        shutdown_timeout=shutdown_seconds,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, reuse_port=shared or None, backlog=BACKLOG).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
