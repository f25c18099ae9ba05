"""A site that stops serves the clients that have connected."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from gateway.edge import server
from gateway.edge.server import Site, bind_socket, open_site
from tests.support.eventually import eventually

HOST = "127.0.0.1"
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\n"
LONG = 20.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class EchoServer:
    """A site whose handler waits before it responds."""

    site: Site
    begun: int = 0
    """Requests that have reached the handler."""
    respond: asyncio.Event = field(default_factory=asyncio.Event)

    async def echo(self, request: web.Request) -> web.Response:
        self.begun += 1
        await self.respond.wait()
        return web.Response(body=await request.read() or b"response")

    async def connect(self, sent: bytes = b"") -> Streams:
        reader, writer = await asyncio.open_connection(HOST, self.site.port)
        writer.write(sent)
        return reader, writer

    async def until_begun(self, requests: int) -> None:
        async def begun() -> bool:
            return self.begun == requests

        await eventually(begun)

    async def until_connected(self, clients: int) -> None:
        async def connected() -> bool:
            return len(self.site.server.connections) == clients

        await eventually(connected)

    async def until_closed(self) -> None:
        async def closed() -> bool:
            return self.site.listening.fileno() < 0

        await eventually(closed)

    def stop(self, *, last: bool = True) -> "asyncio.Task[None]":
        return asyncio.create_task(self.site.stop(LONG, last=last))


@contextlib.asynccontextmanager
async def opened(listening: socket.socket) -> AsyncIterator[EchoServer]:
    servers: list[EchoServer] = []

    async def handle(request: web.Request) -> web.Response:
        return await servers[0].echo(request)

    app = web.Application()
    app.router.add_route("*", "/", handle)
    async with open_site(app, listening, shutdown_seconds=0.1) as site:
        servers.append(EchoServer(site))
        yield servers[0]


@pytest.fixture
async def echo() -> AsyncIterator[EchoServer]:
    async with opened(bind_socket(HOST, 0)) as echo:
        yield echo


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """All bytes until the connection is closed; a reset would raise."""
    return await asyncio.wait_for(reader.read(), LONG)


@pytest.mark.slow
async def test_connections_in_the_queue_are_served(
    echo: EchoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LAST_REQUEST_SECONDS", 0.2)
    echo.respond.set()
    for site in echo.site.runner.sites:  # like an event loop that is too busy to accept
        await site.stop()
    clients = [await echo.connect(GET) for _ in range(20)]
    await echo.stop()
    for reader, writer in clients:
        assert (await read_all(reader)).endswith(b"response")
        writer.close()


@pytest.mark.slow
async def test_open_connections_finish_their_requests(echo: EchoServer) -> None:
    """A slow response, a slow body, slow headers, and a request that has not started."""
    response = await echo.connect(GET)
    body = await echo.connect(POST + b"sl")
    await echo.until_begun(2)
    part = await echo.connect(GET[:20])
    silent = await echo.connect()
    await echo.until_connected(4)
    stopping = echo.stop()
    await echo.until_closed()
    body[1].write(b"ow")
    part[1].write(GET[20:])
    silent[1].write(GET)
    await echo.until_begun(4)
    echo.respond.set()
    assert (await read_all(body[0])).endswith(b"slow")
    for reader, _ in (response, part, silent):
        assert (await read_all(reader)).endswith(b"response")
    await stopping
    for _, writer in (response, body, part, silent):
        writer.close()


@pytest.mark.slow
async def test_an_idle_connection_is_closed_without_a_reset(echo: EchoServer) -> None:
    echo.respond.set()
    reader, writer = await echo.connect(GET)
    await reader.readuntil(b"response")
    await echo.stop()
    assert await read_all(reader) == b""
    writer.close()


async def test_after_the_stop_connections_are_refused(echo: EchoServer) -> None:
    await echo.stop()
    with pytest.raises(ConnectionRefusedError):
        await echo.connect(GET)


async def test_the_next_worker_serves_the_queue_of_the_previous_one() -> None:
    ours = bind_socket(HOST, 0)
    async with opened(ours.dup()) as previous:
        port = previous.site.port
        await previous.stop(last=False)
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(GET)
    async with opened(ours) as following:
        following.respond.set()
        await reader.readuntil(b"response")
        writer.close()


@pytest.mark.slow
async def test_stopping_takes_no_longer_than_it_may(echo: EchoServer) -> None:
    reader, writer = await echo.connect(GET)
    await echo.until_begun(1)
    await echo.site.stop(0.3, last=True)
    assert not reader.at_eof()  # closed when the site's context is left
    writer.close()
