"""Requests sent on aiohttp's connections arrive, and are answered, as those of its session."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest
from yarl import URL

from aws_json.exchange import Exchange
from aws_json.tests.scripted import Scripted, Server

HEADERS = {"X-Amz-Target": "DynamoDB_20120810.GetItem", "User-Agent": "test"}


@asynccontextmanager
async def raw_server(*answers: bytes) -> AsyncIterator[URL]:
    """Answer each request without a body with the next of these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


async def test_the_headers_are_those_of_a_session(server: Server) -> None:
    url = URL(server.url) / "path"
    async with aiohttp.ClientSession(skip_auto_headers={"Content-Type"}) as session:
        async with session.post(
            url, data=b"{}", headers={**HEADERS, "Accept-Encoding": "identity"}
        ):
            pass
        await Exchange(session, url).post(HEADERS, b"{}")
    by_session, direct = server.received
    assert (direct.headers, direct.body) == (by_session.headers, by_session.body)


async def test_a_large_body_arrives_complete_both_ways(server: Server) -> None:
    body = bytes(range(256)) * 4_096
    server.answer(Scripted(body))
    async with aiohttp.ClientSession() as session:
        status, _, received = await Exchange(session, URL(server.url)).post({}, body)
    assert (status, received) == (200, body)
    assert server.received[0].body == body


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    ],
    ids=["length", "interim", "chunked"],
)
async def test_a_connection_is_used_again_after_its_response(answer: bytes) -> None:
    async with raw_server(answer, answer) as url, aiohttp.ClientSession() as session:
        exchange = Exchange(session, url)
        replies = [await exchange.post({}, b"") for _ in range(2)]
    assert [(status, body) for status, _, body in replies] == [(200, b"{}")] * 2


async def test_a_response_without_a_length_ends_with_its_connection() -> None:
    async with (
        raw_server(b"HTTP/1.1 200 OK\r\n\r\n{}") as url,
        aiohttp.ClientSession() as session,
    ):
        _, _, body = await Exchange(session, url).post({}, b"")
    assert body == b"{}"


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([b""], aiohttp.ServerDisconnectedError),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"], aiohttp.ClientPayloadError),
    ],
    ids=["before", "within"],
)
async def test_a_connection_that_ends_too_early_is_an_error(
    answers: Sequence[bytes], error: type[Exception]
) -> None:
    async with raw_server(*answers) as url, aiohttp.ClientSession() as session:
        with pytest.raises(error):
            await Exchange(session, url).post({}, b"")


async def test_a_header_cannot_add_another_one(server: Server) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ValueError, match="line break"):
            await Exchange(session, URL(server.url)).post({"X-A": "b\r\nX-C: d"}, b"")
    assert not server.received
