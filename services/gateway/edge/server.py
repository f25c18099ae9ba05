"""Listen on sockets, and stop serving without dropping requests."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from gateway.edge.aiohttp_internals import Middleware, Runner, is_idle
from gateway.edge.connection import Connection

MAX_HEADER_BYTES: Final = 16_384
"""Maximum length of a header line: the length of two tokens."""
BACKLOG: Final = 1_024
KEEP_ALIVE_SECONDS: Final = 75.0
MAX_QUEUED: Final = 10 * BACKLOG
LAST_REQUEST_SECONDS: Final = 1.0
"""Seconds that open connections may still send a request after the socket has been closed."""
POLL_SECONDS: Final = 0.02


def bind_socket(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a bound socket that does not listen yet. Port 0 takes any free one.

    Several `shared` sockets can have one port; the kernel distributes connections among those that
    listen.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(address)
    return bound


@dataclass(frozen=True, slots=True)
class Site:
    """Serve an application on a listening socket."""

    runner: web.AppRunner
    server: web.Server
    listening: socket.socket
    port: int

    async def start(self) -> None:
        """Start to accept connections."""
        # a copy: the site closes its socket, which would reset the connections in its queue
        await web.SockSite(self.runner, self.listening.dup(), backlog=BACKLOG).start()

    async def stop(self, seconds: float, *, last: bool) -> None:
        """Stop accepting connections, and finish the requests of open ones, within `seconds`.

        Only the `last` process on the socket accepts what is left in its queue; otherwise the next
        process does. In the instant between its last look at the queue and the close of the socket
        the kernel may reset a connection.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for site in self.runner.sites:
                    await site.stop()
                if last:
                    await self._accept_queued()
                self.listening.close()
                await self.runner.shutdown()  # ends event streams
                await self._until_disconnected()

    async def _accept_queued(self) -> None:
        loop = asyncio.get_running_loop()
        self.listening.settimeout(0)
        for _ in range(MAX_QUEUED):
            try:
                connection, _ = self.listening.accept()
            except OSError:  # the queue is empty
                return
            await loop.connect_accepted_socket(self.server, connection)

    async def _until_disconnected(self) -> None:
        """Close each connection once it is idle, after a while in which it may send a request."""
        loop = asyncio.get_running_loop()
        closing_at = loop.time() + LAST_REQUEST_SECONDS
        while connections := self.server.connections:
            if loop.time() >= closing_at:
                for connection in filter(is_idle, connections):
                    connection.force_close()
            await asyncio.sleep(POLL_SECONDS)


@contextlib.asynccontextmanager
async def open_site(
    app: web.Application,
    listening: socket.socket,
    *,
    middleware: Middleware | None = None,
    shutdown_seconds: float = 30.0,
) -> AsyncIterator[Site]:
    """Serve an application on a bound socket; on leaving, wait for requests in flight."""
    runner = Runner(
        app,
        Connection,
        middleware,
        access_log=None,
        shutdown_timeout=shutdown_seconds,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        auto_decompress=False,  # a small body must not become a large one
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    await runner.setup()
    try:
        assert runner.server is not None  # noqa: S101  `setup` has created it
        site = Site(runner, runner.server, listening, listening.getsockname()[1])
        await site.start()
        yield site
    finally:
        await runner.cleanup()
        listening.close()


@contextlib.asynccontextmanager
async def serve(app: web.Application, host: str, port: int, **options: Any) -> AsyncIterator[int]:
    """Serve an application as `open_site` does, at an address; yield the port."""
    async with open_site(app, bind_socket(host, port), **options) as site:
        yield site.port
