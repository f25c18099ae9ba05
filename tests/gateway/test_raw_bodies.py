"""CSV files and forms are read under the same limits as JSON bodies."""

import asyncio
from urllib.parse import urlsplit

import pytest

from gateway.http import requests
from tests.gateway.conftest import GatewayClient

BULK, UNSUBSCRIBE = "/v1/invites/bulk", f"/v1/unsubscribe/{'A' * 43}"
KINDS = {BULK: "text/csv", UNSUBSCRIBE: "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("path", [BULK, UNSUBSCRIBE])
async def test_a_body_that_does_not_arrive_responds_408(
    path: str, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.05)
    server = urlsplit(client.url)
    reader, writer = await asyncio.open_connection(server.hostname, server.port)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: vouch\r\nContent-Type: {KINDS[path]}\r\n"
        f"Authorization: Bearer {client.issuer.access()}\r\nContent-Length: 100\r\n\r\nemail"
    )
    writer.write(head.encode())
    async with asyncio.timeout(5):
        status = await reader.readline()
    writer.close()
    assert status.split()[1] == b"408"


@pytest.mark.parametrize("path", [BULK, UNSUBSCRIBE])
async def test_a_compressed_body_responds_400(path: str, client: GatewayClient) -> None:
    response = await client.post(
        path,
        client.issuer.access(),
        data=b"email\n",
        headers={"Content-Type": KINDS[path], "Content-Encoding": "gzip"},
    )
    assert (response.status, response.json["code"]) == (400, "unsupported_content_encoding")
