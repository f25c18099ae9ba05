"""A fast response is sent as aiohttp sends its own, with the security headers in addition."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from gateway.edge.fast_response import SECURITY_HEADERS, FastResponse
from gateway.http.responses import Response

BODY = b'{"a": 1}'
Handler = Callable[[web.Request], web.StreamResponse]


@contextlib.asynccontextmanager
async def serving(respond: Handler) -> AsyncIterator[int]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return respond(request)

    app = web.Application()
    app.router.add_route("*", "/", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def exchange(port: int, *requests: str) -> bytes:
    """Send all requests at once; return what the server sends until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("".join(f"{request}\r\n\r\n" for request in requests).encode())
    received = await reader.read()
    writer.close()
    return received


def fast(status: int) -> FastResponse:
    return FastResponse(Response(status, BODY, {"ETag": '"1"'}))


def of_aiohttp(status: int) -> web.Response:
    headers = {"ETag": '"1"', **SECURITY_HEADERS}
    if status in (204, 304):
        return web.Response(status=status, headers=headers)
    return web.Response(
        status=status, body=BODY, headers=headers | {"Content-Type": "application/json"}
    )


@pytest.mark.parametrize("status", [200, 201, 204, 304, 404, 429, 500])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "rest", ["1.1\r\nHost: a\r\nConnection: close", "1.0", "1.0\r\nConnection: keep-alive"]
)
async def test_it_is_sent_as_by_aiohttp(status: int, method: str, rest: str) -> None:
    def respond(request: web.Request) -> web.StreamResponse:
        return of_aiohttp(status) if request.query_string else fast(status)

    last = "GET / HTTP/1.0"
    async with serving(respond) as port:
        sent = await exchange(port, f"{method} / HTTP/{rest}", last)
        wanted = await exchange(port, f"{method} /?1 HTTP/{rest}", last)
    assert in_parts(sent) == in_parts(wanted)


def in_parts(sent: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Return the status line, the headers in alphabetical order, and the rest without dates."""
    head, _, rest = sent.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    kept = sorted(each for each in headers if not each.startswith(b"Date: "))
    assert len(kept) == len(headers) - 1
    content, status, _ = rest.partition(b"HTTP/1.")
    return line, kept, content + status


async def test_requests_that_are_sent_at_once_are_answered_in_order() -> None:
    async with serving(
        lambda request: FastResponse(Response(200, request.path_qs.encode()))
    ) as port:
        requests = [f"GET /?{number} HTTP/1.1\r\nHost: a" for number in range(3)]
        received = await exchange(port, *requests, "GET /?last HTTP/1.0")
    bodies = [part.rpartition(b"\r\n\r\n")[2] for part in received.split(b"HTTP/1.")[1:]]
    assert bodies == [b"/?0", b"/?1", b"/?2", b"/?last"]


async def test_a_response_can_close_the_connection() -> None:
    def respond(_request: web.Request) -> FastResponse:
        response = fast(200)
        response.force_close()
        return response

    async with serving(respond) as port:
        received = await exchange(port, "GET / HTTP/1.1\r\nHost: a")
    assert b"\r\nConnection: close\r\n" in received


@pytest.mark.parametrize("text", ["a\r\nX-Injected: b", "a\nb", "a\rb", "a\0b"])
async def test_a_header_with_a_control_character_is_not_sent(text: str) -> None:
    def respond(_request: web.Request) -> FastResponse:
        return FastResponse(Response(200, BODY, {"Location": text}))

    async with serving(respond) as port:
        assert await exchange(port, "GET / HTTP/1.1\r\nHost: a") == b""


async def test_a_client_that_does_not_read_stops_the_handling_of_its_requests() -> None:
    handled = 0

    def respond(_request: web.Request) -> FastResponse:
        nonlocal handled
        handled += 1
        return FastResponse(Response(200, b"x" * 1_000_000))

    async with serving(respond) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
        await reader.readexactly(1)
        assert handled < 20
        writer.transport.abort()
