"""How a site is left: whoever has come, however far, is answered; nobody is reset."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from gateway.edge.server import Site, attended, bound
from tests.support.eventually import eventually

HOST = "127.0.0.1"
ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
SEND = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\n"
LONG = 20.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class House:
    site: Site
    begun: int = 0
    """Requests that are being answered, or have been."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def echo(self, request: web.Request) -> web.Response:
        self.begun += 1
        await self.go_on.wait()
        return web.Response(body=await request.read() or b"answer")

    async def visitor(self, said: bytes = b"") -> Streams:
        reader, writer = await asyncio.open_connection(HOST, self.site.port)
        writer.write(said)
        return reader, writer

    async def has_begun(self, requests: int) -> None:
        async def begun() -> bool:
            return self.begun == requests

        await eventually(begun)

    async def knows(self, visitors: int) -> None:
        async def all_in() -> bool:
            return len(self.site.server.connections) == visitors

        await eventually(all_in)

    async def closed(self) -> None:
        async def closed() -> bool:
            return self.site.listening.fileno() < 0

        await eventually(closed)


@contextlib.asynccontextmanager
async def opened(listening: socket.socket) -> AsyncIterator[House]:
    houses: list[House] = []

    async def handle(request: web.Request) -> web.Response:
        return await houses[0].echo(request)

    app = web.Application()
    app.router.add_route("*", "/", handle)
    async with attended(app, listening, shutdown_seconds=0.1) as site:
        houses.append(House(site))
        yield houses[0]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened(bound(HOST, 0)) as house:
        yield house


def leave(house: House, *, last: bool = True) -> "asyncio.Task[None]":
    return asyncio.create_task(house.site.leave(LONG, last=last))


async def last_words(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection is closed in order; a reset would raise."""
    return await asyncio.wait_for(reader.read(), LONG)


async def test_who_waits_in_the_queue_is_answered(house: House) -> None:
    house.go_on.set()
    for site in house.site.runner.sites:  # as an event loop that is too busy to look
        await site.stop()
    visitors = [await house.visitor(ASK) for _ in range(20)]
    await leave(house)
    for reader, writer in visitors:
        assert (await last_words(reader)).endswith(b"answer")
        writer.close()


async def test_what_is_under_way_is_finished(house: House) -> None:
    """An answer that takes time, a body that does, and headers of which a part has come."""
    answer = await house.visitor(ASK)
    body = await house.visitor(SEND + b"sl")
    await house.has_begun(2)
    part = await house.visitor(ASK[:20])
    silent = await house.visitor()
    await house.knows(4)
    leaving = leave(house)
    await house.closed()
    body[1].write(b"ow")
    part[1].write(ASK[20:])
    silent[1].write(ASK)
    await house.has_begun(4)
    house.go_on.set()
    assert (await last_words(body[0])).endswith(b"slow")
    for reader, _ in (answer, part, silent):
        assert (await last_words(reader)).endswith(b"answer")
    await leaving
    for _, writer in (answer, body, part, silent):
        writer.close()


async def test_a_connection_that_is_kept_for_nothing_is_closed_in_order(house: House) -> None:
    house.go_on.set()
    reader, writer = await house.visitor(ASK)
    await reader.readuntil(b"answer")
    await leave(house)
    assert await last_words(reader) == b""
    writer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's filter is Linux's")
async def test_newcomers_are_not_let_in_only_to_be_thrown_out(house: House) -> None:
    """Nothing answers them, so that they look elsewhere or ask again; nobody resets them."""
    leaving = leave(house)
    await asyncio.sleep(0)  # the task's first step
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(house.visitor(ASK), 0.05)
    await leaving
    with pytest.raises(ConnectionRefusedError):
        await house.visitor(ASK)


async def test_who_waits_when_a_worker_goes_is_answered_by_the_next_one() -> None:
    ours = bound(HOST, 0)
    async with opened(ours.dup()) as before:
        port = before.site.port
        await leave(before, last=False)
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(ASK)
    async with opened(ours) as following:
        following.go_on.set()
        await reader.readuntil(b"answer")
        writer.close()


async def test_whoever_takes_too_long_is_left_alone_in_the_end(house: House) -> None:
    reader, writer = await house.visitor(ASK)
    await house.has_begun(1)
    await house.site.leave(0.3, last=True)
    assert not reader.at_eof()  # cut off when the context is left, as anybody who hangs
    writer.close()
