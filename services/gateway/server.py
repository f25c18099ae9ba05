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
from gateway.settings import Settings

MAX_HEADER_BYTES: Final = 16_384
"""A header block's longest line: two tokens' length, and no more."""

log = structlog.get_logger(__name__)


class Connection(RequestHandler):
    """aiohttp answers requests that its parser refuses by itself, in plain text, and quotes them.

    Middlewares never see those requests, so the answer has to be changed here.
    """

    __slots__ = ()

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
async def serving(app: web.Application, settings: Settings) -> AsyncIterator[int]:
    """Listen; yields the port. Leaving waits for the requests in flight."""
    runner = Runner(
        app,
        access_log=None,
        shutdown_timeout=settings.shutdown_seconds,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.gateway_host, settings.gateway_port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
