"""Handle one client connection, and respond to requests that aiohttp cannot parse."""

import asyncio
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from gateway.edge.aiohttp_internals import has_received_request
from gateway.edge.fast_response import FastResponse
from gateway.http.ids import request_id
from gateway.http.problems import Problem, uncaught
from gateway.http.responses import problem_response

FIRST_REQUEST_SECONDS: Final = 15.0
"""Seconds within which the first request line and headers of a connection must arrive."""

log = structlog.get_logger(__name__)


class Connection(web.RequestHandler):
    """Handle one client connection.

    aiohttp answers requests that its parser rejects in plain text, quoting them. No middleware sees
    those requests, so their response is replaced here.
    """

    __slots__ = ("_timeout", "disconnected")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.disconnected = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._timeout = loop.call_later(FIRST_REQUEST_SECONDS, self._close_if_silent)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._timeout.cancel()
        self.disconnected.set()
        super().connection_lost(exc)

    def _close_if_silent(self) -> None:
        """Close the connection if it has sent no request; aiohttp would wait without limit."""
        if not has_received_request(self):
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        del message  # quotes the request, which may contain a bearer token
        number = request_id()
        log.warning("request_rejected", request_id=number, status=status, error=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("part of another response has been sent already")
        response = FastResponse(problem_response(_problem(status, exc), number))
        response.headers["X-Request-ID"] = number
        response.force_close()
        return response


def _problem(status: int, exc: BaseException | None) -> Problem:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return uncaught()
    if isinstance(exc, LineTooLong):
        return Problem(400, "header_too_large", "The request line or a header is too long.")
    return Problem(400, "malformed_http", "This is not a well-formed HTTP/1.1 request.")
