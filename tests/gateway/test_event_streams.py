import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.http import sse as events
from tests.gateway.conftest import GatewayClient, Gateways
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer


async def read_events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, str]]:
    fields: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield fields
            fields = {}


def bearer(client: GatewayClient) -> dict[str, str]:
    return {"Authorization": f"Bearer {client.issuer.access()}"}


async def test_an_opened_account_is_sent_at_once(client: GatewayClient) -> None:
    async with client.session.get(f"{client.url}/v1/me/events", headers=bearer(client)) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        stream = read_events(response)
        opened = await client.post("/v1/me", client.issuer.id())
        event = await asyncio.wait_for(anext(stream), 5)
    assert event["id"] == "2"
    assert event["event"] == "account"
    assert event["data"].encode() == opened.body


async def test_a_page_of_an_allowed_origin_may_read_a_stream(gateways: Gateways) -> None:
    origin = "https://app.example.com"
    client = await gateways.open(cors_origins=frozenset({origin}))
    headers = bearer(client) | {"Origin": origin}
    async with client.session.get(f"{client.url}/v1/me/events", headers=headers) as response:
        assert response.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize(("last_event_id", "repeated"), [("1", True), ("2", False)])
async def test_a_reconnecting_client_receives_what_it_missed(
    last_event_id: str, *, repeated: bool, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    await client.post("/v1/me", client.issuer.id())
    headers = bearer(client) | {"Last-Event-ID": last_event_id}
    async with client.session.get(f"{client.url}/v1/me/events", headers=headers) as response:
        received = b""
        while b": heartbeat" not in received:
            received += await asyncio.wait_for(response.content.readany(), 5)
    assert (b"event: account" in received) is repeated


@pytest.mark.parametrize("seen", ["x", "-1", "1.5", "9" * 20, "٣"])
async def test_an_invalid_last_event_id_is_rejected(seen: str, client: GatewayClient) -> None:
    headers = {"Last-Event-ID": seen}
    assert (
        await client.get("/v1/me/events", client.issuer.access(), headers=headers)
    ).status == 400


async def test_a_person_can_open_three_streams(client: GatewayClient) -> None:
    lines = client.gateway.dependencies.streams
    opened = [
        await client.session.get(f"{client.url}/v1/me/events", headers=bearer(client))
        for _ in range(3)
    ]
    rejected = await client.get("/v1/me/events", client.issuer.access())
    assert (rejected.status, rejected.json["code"]) == (429, "too_many_streams")
    assert (await client.get("/v1/me", client.issuer.access("bob"))).status == 404
    assert lines.open == 3
    for response in opened:
        response.close()

    async def closed() -> bool:
        return lines.open == 0

    await eventually(closed)


async def test_a_stream_survives_a_redis_outage(
    client: GatewayClient, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    async with client.session.get(f"{client.url}/v1/me/events", headers=bearer(client)) as response:
        await response.content.readuntil(b"heartbeat\n\n")
        await redis_server.kill()
        for _ in range(3):  # it looks for changes, finds none, and sends heartbeats
            assert await response.content.readuntil(b"\n\n") == b": heartbeat\n\n"
        await redis_server.start()
        await client.bus.rebuild_read_models()
        opened = await client.post("/v1/me", client.issuer.id())
        event = await asyncio.wait_for(anext(read_events(response)), 5)
    assert (event["event"], event["data"].encode()) == ("account", opened.body)


async def test_streams_end_when_the_process_ends(gateways: Gateways) -> None:
    client = await gateways.open()
    async with client.session.get(f"{client.url}/v1/me/events", headers=bearer(client)) as response:
        client.gateway.dependencies.streams.closing.set()
        await asyncio.wait_for(response.content.read(), 5)
