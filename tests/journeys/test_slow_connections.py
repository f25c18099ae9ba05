"""Thousands who connect and say nothing, or only half of it, keep nobody else waiting."""

import asyncio
import contextlib
import os
import resource
from collections.abc import AsyncIterator

import aiohttp
import pytest

from deploy.local.settings import HOST
from tests.journeys.test_invitation import Person
from tests.support.stack import Stack

pytestmark = pytest.mark.stack

SLOW = int(os.environ.get("SLOW_CONNECTIONS", "1000"))
AT_ONCE = 200
HALVES = (b"", b"GET /v1/me HTT", b"GET /v1/me HTTP/1.1\r\nHost: here\r\nX-Half: ")

Ends = list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]


@pytest.fixture
async def alice(stack: Stack) -> AsyncIterator[Person]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < SLOW + 500:
        pytest.skip(f"only {hard} files may be open here")
    await stack.service("referrals").start().ready()
    gateway = await stack.service("gateway").start().ready()
    async with aiohttp.ClientSession() as session:
        alice = await Person(stack, gateway.url, session).sign_in()
        assert (await alice.call("POST", "/v1/me", "id"))[0] == 201
        yield alice


async def connect(port: int, count: int) -> Ends:
    ends: Ends = []
    for first in range(0, count, AT_ONCE):
        size = min(AT_ONCE, count - first)
        opened = await asyncio.gather(*(asyncio.open_connection(HOST, port) for _ in range(size)))
        for number, (_, writer) in enumerate(opened):
            writer.write(HALVES[number % len(HALVES)])
        ends += opened
    return ends


async def ended(reader: asyncio.StreamReader) -> bool:
    with contextlib.suppress(ConnectionError):
        await reader.read()
    return True


@pytest.mark.timeout(180)
async def test_slow_and_silent_connections_stop_nobody(alice: Person, stack: Stack) -> None:
    ends = await connect(stack.service("gateway").port, SLOW)
    headers = {"Authorization": f"Bearer {alice.tokens['access']}"}
    streams = [
        await alice.session.get(f"{alice.url}/v1/me/events", headers=headers) for _ in range(3)
    ]
    async with asyncio.timeout(30):
        for _ in range(50):
            async with (  # a connection of its own each time
                aiohttp.ClientSession() as fresh,
                fresh.get(f"{alice.url}/v1/me", headers=headers) as answer,
            ):
                assert answer.status == 200
    async with asyncio.timeout(60):  # and they are let go, every one
        assert all(await asyncio.gather(*(ended(reader) for reader, _ in ends)))
    assert (await alice.call("GET", "/v1/me", "access"))[0] == 200
    for stream in streams:
        assert stream.status == 200
        stream.close()
    for _, writer in ends:
        writer.close()
