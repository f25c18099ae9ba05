"""Every route receives bodies in bounded time and size, and survives clients that disconnect."""

import asyncio
import gzip
import io
import socket
import struct
from collections import Counter
from typing import Any

import pytest

from gateway.http import requests
from gateway.http.routing import AnyRoute
from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.routes_walk import READS, WITH_BODY, head_of, path_of, token_for, unlimited
from tests.support.eventually import eventually


@pytest.fixture
async def client(gateways: Gateways) -> GatewayClient:
    return await unlimited(gateways)


async def connect(client: GatewayClient) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(client.url.rpartition(":")[2]))


async def statuses(client: GatewayClient) -> Counter[int]:
    """Return how many responses of each status the metrics have counted."""
    request: Any = None
    response: Any = await client.gateway.metrics.serve(request)
    counts = Counter[int]()
    for line in response.body.decode().splitlines():
        if line.startswith("gateway_request_seconds_count"):
            counts[int(line.split('status="')[1][:3])] += int(float(line.split()[-1]))
    return counts


async def begin(route: AnyRoute, client: GatewayClient, framing: str) -> asyncio.StreamWriter:
    """Send the head of a request, and return once the gateway handles it."""
    reader, writer = await connect(client)
    writer.write(head_of(route, client, framing, "Expect: 100-continue"))
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 100")
    return writer


def counted(client: GatewayClient, number: int) -> Any:
    async def has_counted() -> bool:
        return (await statuses(client)).total() == number

    return has_counted


async def disconnect(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset:
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()
    await writer.wait_closed()


def assert_nothing_failed(capsys: pytest.CaptureFixture[str]) -> None:
    logged = capsys.readouterr()
    for sign in ("request_failed", "store_failed", "Traceback", "[error", '"level":"error"'):
        assert sign not in logged.out + logged.err


async def test_a_trickled_body_responds_408_on_every_route(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.3)

    async def trickle(route: AnyRoute, kind: str) -> tuple[str, str, bytes]:
        reader, writer = await connect(client)
        writer.write(head_of(route, client, "Content-Length: 1000", kind=kind))
        sending = asyncio.create_task(_send_slowly(writer))
        status = await reader.readline()
        sending.cancel()
        writer.transport.abort()
        return route.operation_id, kind, status[9:12]

    kinds = ("application/json", "text/csv", "application/x-www-form-urlencoded", "text/plain")
    async with asyncio.timeout(60):
        results = await asyncio.gather(*(trickle(r, kind) for r in WITH_BODY for kind in kinds))
    assert [result for result in results if result[2] != b"408"] == []


async def _send_slowly(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b" ")
        await asyncio.sleep(0.02)


async def test_a_body_that_is_too_large_responds_413_on_every_route(client: GatewayClient) -> None:
    for route in WITH_BODY:
        for chunked in (False, True):
            body = b" " * (route.max_body_bytes + 1)
            response = await client.call(
                route.method,
                path_of(route),
                token_for(route, client.issuer),
                data=_pieces(body) if chunked else io.BytesIO(body),
                headers={"Content-Type": "application/json"},
            )
            assert response.status == 413, route
            assert f"{route.max_body_bytes // 1024} KiB" in response.json["detail"]
    assert client.bus.sent == []


async def _pieces(body: bytes) -> Any:
    for start in range(0, len(body), 16_384):
        yield body[start : start + 16_384]


@pytest.mark.parametrize("lines", [["gzip"], ["identity", "gzip"], ["br"], ["GZIP, identity"]])
async def test_a_compressed_body_responds_400_on_every_route(
    lines: list[str], client: GatewayClient
) -> None:
    body = gzip.compress(b"{}")
    for route in WITH_BODY:
        reader, writer = await connect(client)
        encodings = [f"Content-Encoding: {line}" for line in lines]
        length = f"Content-Length: {len(body)}"
        writer.write(head_of(route, client, length, "Connection: close", *encodings) + body)
        response = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert response[9:12] == b"400", route
        assert b"unsupported_content_encoding" in response
    assert client.bus.sent == []


@pytest.mark.parametrize("path", ["/v1/me", "/v1/invites/lookup", "/v1/nowhere"])
async def test_a_body_that_breaks_after_its_response_is_no_error(
    path: str, client: GatewayClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """The response was an error that did not depend on the body, such as 403."""
    reader, writer = await connect(client)
    head = f"POST {path} HTTP/1.1\r\nHost: vouch\r\nContent-Encoding: gzip\r\n"
    writer.write(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
    assert (await asyncio.wait_for(reader.readline(), 5))[9:12] in (b"400", b"403", b"404")
    writer.write(b"garbage\r\n\r\n")
    await writer.drain()
    await asyncio.wait_for(reader.read(), 20)
    await disconnect(writer, reset=True)
    assert (await client.get("/v1/chains")).status == 200
    assert_nothing_failed(capsys)


async def test_an_identity_encoding_is_accepted(client: GatewayClient) -> None:
    headers = {"Content-Encoding": "Identity", "Content-Type": "application/json"}
    response = await client.post("/v1/me", client.issuer.id(), data=b"{}", headers=headers)
    assert response.status == 201


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_client_that_disconnects_in_its_body_is_no_failed_request(
    client: GatewayClient, capsys: pytest.CaptureFixture[str], *, reset: bool, chunked: bool
) -> None:
    framing = ("Transfer-Encoding: chunked", b"5\r\n{") if chunked else ("Content-Length: 99", b"{")
    for number, route in enumerate(WITH_BODY, start=1):
        writer = await begin(route, client, framing[0])
        writer.write(framing[1])
        await writer.drain()
        await disconnect(writer, reset=reset)
        await eventually(counted(client, number))
    assert set(await statuses(client)) == {499}
    assert client.bus.sent == []
    assert_nothing_failed(capsys)


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET /v1/me HTTP/1.1\r\nHost: a\r\nAuthoriz"])
@pytest.mark.parametrize("reset", [False, True])
async def test_a_client_that_disconnects_in_its_headers_is_no_request(
    sent: bytes, client: GatewayClient, capsys: pytest.CaptureFixture[str], *, reset: bool
) -> None:
    _, writer = await connect(client)
    writer.write(sent)
    await writer.drain()
    await disconnect(writer, reset=reset)
    assert (await client.get("/v1/chains")).status == 200
    assert await statuses(client) == {200: 1}
    assert_nothing_failed(capsys)


@pytest.mark.parametrize("reset", [False, True])
async def test_a_client_that_disconnects_before_its_response_is_no_error(
    client: GatewayClient, capsys: pytest.CaptureFixture[str], *, reset: bool
) -> None:
    await client.post("/v1/me", client.issuer.id())
    for number, route in enumerate([*READS, *WITH_BODY], start=2):
        writer = await begin(route, client, "Content-Length: 2")
        writer.write(b"{}")
        await disconnect(writer, reset=reset)
        await eventually(counted(client, number))
    assert not {500, 503} & set(await statuses(client))
    assert_nothing_failed(capsys)
