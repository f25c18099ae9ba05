import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.http import sse as events
from tests.gateway.conftest import Door, Doors
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


def bearer(door: Door) -> dict[str, str]:
    return {"Authorization": f"Bearer {door.issuer.access()}"}


async def test_an_opened_account_is_sent_at_once(door: Door) -> None:
    async with door.session.get(f"{door.url}/v1/me/events", headers=bearer(door)) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        stream = read_events(response)
        opened = await door.post("/v1/me", door.issuer.id())
        event = await asyncio.wait_for(anext(stream), 5)
    assert event["id"] == "2"
    assert event["event"] == "account"
    assert event["data"].encode() == opened.body


async def test_a_page_of_an_allowed_origin_may_read_a_stream(doors: Doors) -> None:
    origin = "https://app.example.com"
    door = await doors.open(cors_origins=frozenset({origin}))
    headers = bearer(door) | {"Origin": origin}
    async with door.session.get(f"{door.url}/v1/me/events", headers=headers) as response:
        assert response.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize(("seen", "told"), [("1", True), ("2", False)])
async def test_a_reconnecting_client_receives_what_it_missed(
    seen: str, *, told: bool, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    await door.post("/v1/me", door.issuer.id())
    headers = bearer(door) | {"Last-Event-ID": seen}
    async with door.session.get(f"{door.url}/v1/me/events", headers=headers) as response:
        received = b""
        while b": heartbeat" not in received:
            received += await asyncio.wait_for(response.content.readany(), 5)
    assert (b"event: account" in received) is told


@pytest.mark.parametrize("seen", ["x", "-1", "1.5", "9" * 20, "٣"])
async def test_an_invalid_last_event_id_is_rejected(seen: str, door: Door) -> None:
    headers = {"Last-Event-ID": seen}
    assert (await door.get("/v1/me/events", door.issuer.access(), headers=headers)).status == 400


async def test_a_person_can_open_three_streams(door: Door) -> None:
    lines = door.gateway.dependencies.streams
    opened = [
        await door.session.get(f"{door.url}/v1/me/events", headers=bearer(door)) for _ in range(3)
    ]
    refused = await door.get("/v1/me/events", door.issuer.access())
    assert (refused.status, refused.json["code"]) == (429, "too_many_streams")
    assert (await door.get("/v1/me", door.issuer.access("bob"))).status == 404
    assert lines.open == 3
    for response in opened:
        response.close()

    async def closed() -> bool:
        return lines.open == 0

    await eventually(closed)


async def test_a_stream_survives_a_redis_outage(
    door: Door, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    async with door.session.get(f"{door.url}/v1/me/events", headers=bearer(door)) as response:
        await response.content.readuntil(b"heartbeat\n\n")
        await redis_server.kill()
        for _ in range(3):  # it looks for changes, finds none, and sends heartbeats
            assert await response.content.readuntil(b"\n\n") == b": heartbeat\n\n"
        await redis_server.start()
        await door.bus.start()
        opened = await door.post("/v1/me", door.issuer.id())
        event = await asyncio.wait_for(anext(read_events(response)), 5)
    assert (event["event"], event["data"].encode()) == ("account", opened.body)


async def test_streams_end_when_the_process_ends(doors: Doors) -> None:
    door = await doors.open()
    async with door.session.get(f"{door.url}/v1/me/events", headers=bearer(door)) as response:
        door.gateway.dependencies.streams.closing.set()
        await asyncio.wait_for(response.content.read(), 5)
