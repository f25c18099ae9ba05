"""Thousands who connect and say nothing, or only half of it, or listen, keep nobody else waiting.

`make chaos-slow` opens ten thousand connections.
"""

import asyncio
import contextlib
import itertools
import os
import resource
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from statistics import median

import aiohttp
import pytest

from deploy.local.ports import unused
from deploy.local.settings import HOST
from gateway.http.sse import MAX_OPEN
from tests.chaos.callers import table
from tests.chaos.gateways import Gateway, Place

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SLOW = int(os.environ.get("SLOW_CONNECTIONS", "1000"))
AT_ONCE = 200
DRIP_SECONDS = 2.0
OTHERS = 50


@dataclass
class End:
    """The other end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def closed(self) -> bool:
        with contextlib.suppress(ConnectionError):
            await self.reader.read()
        return True


@dataclass
class Kind:
    """One way to hold a connection without asking for much."""

    name: str
    opening: Iterator[bytes]
    drip: bytes = b""
    """What is added now and then."""
    answer: bytes = b""
    """What the gateway says to the opening, if anything."""
    ends: list[End] = field(default_factory=list)

    async def connect(self, port: int, count: int) -> None:
        for first in range(0, count, AT_ONCE):
            size = min(AT_ONCE, count - first)
            self.ends += await asyncio.gather(*(self._one(port) for _ in range(size)))

    async def _one(self, port: int) -> End:
        end = End(*await asyncio.open_connection(HOST, port))
        end.writer.write(next(self.opening))
        if self.answer:
            await end.reader.readuntil(self.answer)
        return end

    def go_on(self) -> None:
        for end in self.ends if self.drip else ():
            if not end.writer.is_closing():
                end.writer.write(self.drip)


def kinds(place: Place) -> list[Kind]:
    tokens = (place.issuer.access(f"slow-{number // MAX_OPEN}") for number in itertools.count())
    people = [place.issuer.id(f"slow-{number}") for number in range(10)]
    return [
        Kind("silent from the start", itertools.repeat(b"")),
        Kind("half a request line", itertools.repeat(b"GET /v1/me HTT")),
        Kind(
            "headers, drop by drop", itertools.repeat(head("GET", "/v1/me")[:-2]), b"X-Drop: 1\r\n"
        ),
        Kind("a body, drop by drop", itertools.cycle([post(token) for token in people]), b" "),
        Kind("kept and idle", itertools.repeat(head("GET", "/healthz")), answer=b"alive"),
        Kind("event streams", (listen(token) for token in tokens), answer=b"retry"),
    ]


GIVEN_UP = (
    "silent from the start",
    "half a request line",
    "headers, drop by drop",
    "a body, drop by drop",
)
"""These are let go; the others are as they should be."""


def head(method: str, path: str, *more: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {HOST}", *more, "", ""]).encode()


def post(token: str) -> bytes:
    fields = ("Content-Type: application/json", "Content-Length: 1000")
    return head("POST", "/v1/me", f"Authorization: Bearer {token}", *fields) + b"{"


def listen(token: str) -> bytes:
    return head("GET", "/v1/me/events", f"Authorization: Bearer {token}")


@pytest.fixture
async def gateway(place: Place) -> Gateway:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < SLOW + 500:
        pytest.skip(f"only {hard} files may be open here")
    return await place.serve(unused(1)[0])


@contextlib.asynccontextmanager
async def dripping(held: list[Kind]) -> AsyncIterator[None]:
    async def drip() -> None:
        while True:
            for kind in held:
                kind.go_on()
            await asyncio.sleep(DRIP_SECONDS)  # their way, no wait for anything

    task = asyncio.create_task(drip())
    yield
    task.cancel()


async def served(url: str, token: str) -> list[float]:
    """Milliseconds that others wait, each on a connection of its own."""
    waits = []
    async with asyncio.timeout(30):
        for _ in range(OTHERS):
            began = time.perf_counter()
            async with (
                aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as fresh,
                fresh.get("/v1/me") as answer,
            ):
                assert answer.status == 404
            waits.append(1000 * (time.perf_counter() - began))
    return waits


async def test_slow_and_silent_connections_stop_nobody(place: Place, gateway: Gateway) -> None:
    token, held = place.issuer.access("alice"), kinds(place)
    alone = await served(gateway.url, token)
    for kind in held:
        await kind.connect(gateway.port, SLOW // len(held))
    async with dripping(held):
        beside = await served(gateway.url, token)
        async with asyncio.timeout(60):
            for kind in held:
                if kind.name in GIVEN_UP:
                    assert all(await asyncio.gather(*(end.closed() for end in kind.ends)))
        for kind in held:
            if kind.name not in GIVEN_UP:
                assert not any(end.reader.at_eof() for end in kind.ends), kind.name
        await served(gateway.url, token)
    for kind in held:
        for end in kind.ends:
            end.writer.close()
    rows = [
        [name, f"{median(waits):.1f} ms", f"{max(waits):.1f} ms"]
        for name, waits in (("nobody else", alone), (f"{SLOW:,} slow ones", beside))
    ]
    table("a read on a new connection", ["beside", "median", "longest"], rows)
