"""Thousands of slow, silent and streaming connections do not delay other clients.

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

from deploy.local.ports import unused_ports
from deploy.local.settings import HOST
from gateway.http.open_streams import MAX_OPEN
from tests.chaos.clients import table
from tests.chaos.gateways import Gateway, GatewayLauncher

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SLOW = int(os.environ.get("SLOW_CONNECTIONS", "1000"))
BATCH = 200
DRIP_SECONDS = 2.0
OTHERS = 50


@dataclass
class Client:
    """Hold the client's end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def closed(self) -> bool:
        with contextlib.suppress(ConnectionError):
            await self.reader.read()
        return True


@dataclass
class Kind:
    """Open connections that are slow in one way."""

    name: str
    opening: Iterator[bytes]
    drip: bytes = b""
    """Bytes that each connection sends every `DRIP_SECONDS`."""
    response: bytes = b""
    """Last bytes of the response to the opening; empty if none is expected."""
    clients: list[Client] = field(default_factory=list)

    async def connect(self, port: int, count: int) -> None:
        for first in range(0, count, BATCH):
            size = min(BATCH, count - first)
            self.clients += await asyncio.gather(*(self._one(port) for _ in range(size)))

    async def _one(self, port: int) -> Client:
        client = Client(*await asyncio.open_connection(HOST, port))
        client.writer.write(next(self.opening))
        if self.response:
            await client.reader.readuntil(self.response)
        return client

    def send_drip(self) -> None:
        for client in self.clients if self.drip else ():
            if not client.writer.is_closing():
                client.writer.write(self.drip)


def kinds(launcher: GatewayLauncher) -> list[Kind]:
    tokens = (launcher.issuer.access(f"slow-{number // MAX_OPEN}") for number in itertools.count())
    people = [launcher.issuer.id(f"slow-{number}") for number in range(10)]
    return [
        Kind("silent from the start", itertools.repeat(b"")),
        Kind("half a request line", itertools.repeat(b"GET /v1/me HTT")),
        Kind(
            "headers, byte by byte", itertools.repeat(head("GET", "/v1/me")[:-2]), b"X-Drop: 1\r\n"
        ),
        Kind("a body, byte by byte", itertools.cycle([post(token) for token in people]), b" "),
        Kind("idle keep-alive", itertools.repeat(head("GET", "/healthz")), response=b"alive"),
        Kind("event streams", (listen(token) for token in tokens), response=b"retry"),
    ]


CLOSED_BY_GATEWAY = (
    "silent from the start",
    "half a request line",
    "headers, byte by byte",
    "a body, byte by byte",
)
"""Kinds whose connections the gateway closes; the others are legitimate."""


def head(method: str, path: str, *more: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {HOST}", *more, "", ""]).encode()


def post(token: str) -> bytes:
    fields = ("Content-Type: application/json", "Content-Length: 1000")
    return head("POST", "/v1/me", f"Authorization: Bearer {token}", *fields) + b"{"


def listen(token: str) -> bytes:
    return head("GET", "/v1/me/events", f"Authorization: Bearer {token}")


@pytest.fixture
async def gateway(launcher: GatewayLauncher) -> Gateway:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < SLOW + 500:
        pytest.skip(f"only {hard} files may be open here")
    return await launcher.serve(unused_ports(1)[0])


@contextlib.asynccontextmanager
async def dripping(kinds: list[Kind]) -> AsyncIterator[None]:
    async def drip() -> None:
        while True:
            for kind in kinds:
                kind.send_drip()
            await asyncio.sleep(DRIP_SECONDS)  # the pace of the slow clients; it waits for no event

    task = asyncio.create_task(drip())
    yield
    task.cancel()


async def read_times(url: str, token: str) -> list[float]:
    """Return the milliseconds of each of `OTHERS` reads, each on a new connection."""
    waits = []
    async with asyncio.timeout(30):
        for _ in range(OTHERS):
            began = time.perf_counter()
            async with (
                aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as fresh,
                fresh.get("/v1/me") as response,
            ):
                assert response.status == 404
            waits.append(1000 * (time.perf_counter() - began))
    return waits


async def test_slow_and_silent_connections_do_not_block_other_clients(
    launcher: GatewayLauncher, gateway: Gateway
) -> None:
    token, slow = launcher.issuer.access("alice"), kinds(launcher)
    alone = await read_times(gateway.url, token)
    for kind in slow:
        await kind.connect(gateway.port, SLOW // len(slow))
    async with dripping(slow):
        concurrently = await read_times(gateway.url, token)
        async with asyncio.timeout(60):
            for kind in slow:
                if kind.name in CLOSED_BY_GATEWAY:
                    assert all(await asyncio.gather(*(client.closed() for client in kind.clients)))
        for kind in slow:
            if kind.name not in CLOSED_BY_GATEWAY:
                assert not any(client.reader.at_eof() for client in kind.clients), kind.name
        await read_times(gateway.url, token)
    for kind in slow:
        for client in kind.clients:
            client.writer.close()
    rows = [
        [name, f"{median(waits):.1f} ms", f"{max(waits):.1f} ms"]
        for name, waits in (
            ("no other connection", alone),
            (f"{SLOW:,} slow connections", concurrently),
        )
    ]
    table("a read on a new connection", ["next to", "median", "longest"], rows)
