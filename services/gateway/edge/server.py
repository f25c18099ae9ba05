"""The listening server, and its answer to what is not even HTTP."""

import asyncio
import contextlib
import ctypes
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from gateway.http.ids import request_id
from gateway.http.problems import Problem, uncaught

MAX_HEADER_BYTES: Final = 16_384
"""A header block's longest line: two tokens' length, and no more."""

BACKLOG: Final = 1_024
SILENT_SECONDS: Final = 15.0
"""How long a new connection may take over its first request line and headers."""
KEEP_ALIVE_SECONDS: Final = 75.0
HANDSHAKE_SECONDS: Final = 0.25
"""For those to arrive who have been answered already that they are connected."""
MAX_QUEUED: Final = 10 * BACKLOG
NEXT_REQUEST_SECONDS: Final = 5.0
"""How long the end waits for a request of which something has arrived, its connection perhaps."""
LOOK_SECONDS: Final = 0.02

_SO_ATTACH_FILTER: Final = 26
_DROP_NEWCOMERS: Final = (  # (code, jump if true, jump if false, constant): see bpf(4)
    (0x30, 0, 0, 13),  # the flags of a TCP header
    (0x54, 0, 0, 0x12),  # SYN and ACK of them
    (0x15, 0, 1, 0x02),  # only SYN: a newcomer
    (0x06, 0, 0, 0),  # dropped
    (0x06, 0, 0, 0xFFFFFFFF),  # anything else passes
)

log = structlog.get_logger(__name__)


class Connection(RequestHandler):
    """aiohttp answers requests that its parser refuses by itself, in plain text, and quotes them.

    No guard and no middleware sees those requests, so the answer has to be changed here.
    `disconnected` is set when the connection is, for handlers that write now and then only.
    """

    __slots__ = ("_half", "_patience", "disconnected")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._half = True
        self.disconnected = asyncio.Event()
        self._patience = asyncio.get_running_loop().call_later(SILENT_SECONDS, self._lose_patience)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._patience.cancel()
        self.disconnected.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        RequestHandler.data_received(self, data)
        self._half = self._request_count == before and self._waiter is not None

    def part(self, *, patient: bool) -> None:
        """Close, unless a request is being answered; if `patient`, unless one is on its way."""
        if self._waiter is None or self._messages or self.transport is None:
            return
        if patient and (self._half or _unread(self.transport)):
            return
        self.force_close()

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
        response = _problem(status, exc).to_aiohttp(number)
        response.headers.update({"X-Request-ID": number, "Server": "vouch"})
        response.force_close()
        return response


def _problem(status: int, exc: BaseException | None) -> Problem:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return uncaught()
    if isinstance(exc, LineTooLong):
        return Problem(400, "header_too_large", "the request line or a header is too long")
    return Problem(400, "malformed_http", "this is not a well-formed HTTP/1.1 request")


def _unread(transport: asyncio.BaseTransport) -> bool:
    """Whether something has arrived that the event loop has not seen yet."""
    end = transport.get_extra_info("socket").fileno()
    waiting = fcntl.ioctl(end, termios.FIONREAD, struct.pack("i", 0))
    return struct.unpack("i", waiting) != (0,)


Handler = Callable[[Any], Awaitable[web.StreamResponse]]
Guard = Callable[[Any, Handler], Awaitable[web.StreamResponse]]
"""Stands around an application: makes of a request, and of what would answer it, the answer."""


class Runner(web.AppRunner):
    """Runs an application on connections of the kind above, inside of a guard."""

    def __init__(self, app: web.Application, guard: Guard | None = None, **options: Any) -> None:
        super().__init__(app, **options)
        self._guard = guard

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return _Server(server, self._guard)


class _Server(web.Server):
    def __init__(self, made: web.Server, guard: Guard | None) -> None:
        handle = made.request_handler
        super().__init__(
            handle if guard is None else lambda request: guard(request, handle),
            request_factory=made.request_factory,
            loop=asyncio.get_running_loop(),
            **made._kwargs,  # noqa: SLF001  aiohttp has no seam for the class of a connection
        )

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


def bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket at an address, where nobody can connect until a site listens on it.

    Port 0 takes any free one. Several `shared` sockets have one port; the kernel deals out
    connections among those that are listened on.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    ours = socket.socket(family, kind, protocol)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    ours.bind(address)
    return ours


@dataclass(frozen=True, slots=True)
class Site:
    """An application on a listening socket, and how it leaves without turning anybody away."""

    runner: web.AppRunner
    server: web.Server
    listening: socket.socket
    port: int

    async def open(self) -> None:
        # a copy: the site closes its socket, and that would reset those who wait in the queue
        await web.SockSite(self.runner, self.listening.dup(), backlog=BACKLOG).start()

    async def leave(self, seconds: float, *, last: bool) -> None:
        """Answer everybody who has come so far, for `seconds` at most.

        Unless this is the `last` process on the socket, who waits in its queue is the next one's.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if last:
                    turn_newcomers_away(self.listening)
                    await asyncio.sleep(HANDSHAKE_SECONDS)
                for site in self.runner.sites:
                    await site.stop()
                if last:
                    await self._take_queued()
                self.listening.close()
                await self.runner.shutdown()  # event streams come to an end
                await self._until_all_have_gone()

    async def _take_queued(self) -> None:
        """Bounded, for where newcomers cannot be turned away."""
        loop = asyncio.get_running_loop()
        self.listening.settimeout(0)
        for _ in range(MAX_QUEUED):
            try:
                connection, _ = self.listening.accept()
            except OSError:  # nobody waits; the loop takes no step between this and the close
                return
            await loop.connect_accepted_socket(self.server, connection)

    async def _until_all_have_gone(self) -> None:
        loop = asyncio.get_running_loop()
        patient_until = loop.time() + NEXT_REQUEST_SECONDS
        while here := self.server.connections:
            for connection in here:
                if isinstance(connection, Connection):
                    connection.part(patient=loop.time() < patient_until)
            await asyncio.sleep(LOOK_SECONDS)


def turn_newcomers_away(listening: socket.socket) -> None:
    """Have the kernel drop requests for connections, where it can; their senders repeat them.

    A listening socket that is closed resets whoever waits in its queue, and there is always
    somebody between the last look and the close. Who is told nothing tries again a second later,
    and finds another process behind the port, or none and knows it.
    """
    code = b"".join(struct.pack("HBBI", *step) for step in _DROP_NEWCOMERS)
    steps = ctypes.create_string_buffer(code)
    program = struct.pack("HP", len(_DROP_NEWCOMERS), ctypes.addressof(steps))
    with contextlib.suppress(OSError):
        if sys.platform == "linux":
            listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


@contextlib.asynccontextmanager
async def attended(
    app: web.Application,
    listening: socket.socket,
    *,
    guard: Guard | None = None,
    shutdown_seconds: float = 30.0,
) -> AsyncIterator[Site]:
    """Serve whoever comes to the socket. Leaving waits for the requests in flight."""
    runner = Runner(
        app,
        guard,
        access_log=None,
        shutdown_timeout=shutdown_seconds,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        auto_decompress=False,  # a small body must not become a large one
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    await runner.setup()
    try:
        assert runner.server is not None  # noqa: S101  it is, once it is set up
        site = Site(runner, runner.server, listening, listening.getsockname()[1])
        await site.open()
        yield site
    finally:
        await runner.cleanup()
        listening.close()


@contextlib.asynccontextmanager
async def serving(app: web.Application, host: str, port: int, **options: Any) -> AsyncIterator[int]:
    """As `attended`, on a socket of its own; yields the port."""
    async with attended(app, bound(host, port), **options) as site:
        yield site.port
