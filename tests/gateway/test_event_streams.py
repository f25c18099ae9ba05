import asyncio
import ctypes
import socket
import struct
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import pytest

from gateway.http import open_streams
from gateway.http import sse as events
from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.environment import ALICE
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer

EVENTS: Final = "/v1/me/events"
SO_ATTACH_FILTER: Final = 26
"""Linux; Python's module `socket` does not name it."""


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
    assert event["id"].endswith("-account.2")
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


@pytest.mark.parametrize("seen", ["x", "-1", "1.5", "9" * 20, "٣", "0123456789ab", "a-account.1"])
async def test_an_invalid_last_event_id_is_rejected(seen: str, client: GatewayClient) -> None:
    headers = {"Last-Event-ID": seen}
    assert (
        await client.get("/v1/me/events", client.issuer.access(), headers=headers)
    ).status == 400


async def opened(client: GatewayClient, path: str = EVENTS, **headers: str) -> Any:
    sent = bearer(client) | {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.session.get(client.url + path, headers=sent)


async def first_event(response: aiohttp.ClientResponse) -> dict[str, str]:
    return await asyncio.wait_for(anext(read_events(response)), 5)


async def test_an_empty_last_event_id_is_none(client: GatewayClient) -> None:
    await client.post("/v1/me", client.issuer.id())
    async with await opened(client, Last_Event_ID="") as response:
        assert (await first_event(response))["event"] == "account"


async def test_the_id_of_another_accounts_event_is_rejected_and_explained(
    client: GatewayClient,
) -> None:
    for subject in (ALICE, "bob"):
        await client.post("/v1/me", client.issuer.id(subject))
    async with await opened(client) as response:
        foreign = (await first_event(response))["id"]
    rejected = await client.get(
        EVENTS, client.issuer.access("bob"), headers={"Last-Event-ID": foreign}
    )
    assert (rejected.status, rejected.json["code"]) == (400, "wrong_event_id")
    assert "not from the events of this account" in rejected.json["detail"]


async def test_a_number_that_no_event_of_the_account_has_had_is_rejected(
    client: GatewayClient,
) -> None:
    await client.post("/v1/me", client.issuer.id())
    headers = {"Last-Event-ID": "57"}
    rejected = await client.get(EVENTS, client.issuer.access(), headers=headers)
    assert (rejected.status, rejected.json["code"]) == (400, "wrong_event_id")


async def test_a_client_that_is_ahead_of_the_read_model_is_sent_the_state_at_once(
    client: GatewayClient,
) -> None:
    """The read model may be behind after a failover."""
    await client.post("/v1/me", client.issuer.id())
    async with await opened(client) as response:
        known = (await first_event(response))["id"]
    ahead = known.replace("account.2", "account.57")
    async with await opened(client, Last_Event_ID=ahead) as response:
        assert (await first_event(response))["id"] == known


async def test_a_fourth_stream_takes_the_place_of_the_oldest(client: GatewayClient) -> None:
    await client.post("/v1/me", client.issuer.id())
    streams = client.gateway.dependencies.streams
    responses = [await opened(client) for _ in range(4)]
    rest = await asyncio.wait_for(responses[0].content.read(), 5)
    assert rest.endswith(b"retry: 60000\n\nevent: superseded\ndata: {}\n\n")
    for response in responses[1:]:
        assert (await first_event(response))["event"] == "account"
    assert (await client.get("/v1/me", client.issuer.access("bob"))).status == 404
    assert streams.open == 3
    for response in responses:
        response.close()
    await eventually(nothing_open(client))


def nothing_open(client: GatewayClient) -> Any:
    async def closed() -> bool:
        return client.gateway.dependencies.streams.open == 0

    return closed


async def vanished(client: GatewayClient) -> socket.socket:
    """Open a stream, and let its peer vanish: the kernel discards all packets to its socket."""
    host, port = client.url.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    peer = socket.socket()
    peer.setblocking(False)  # noqa: FBT003
    await loop.sock_connect(peer, (host, int(port)))
    head = (
        f"GET {EVENTS} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {bearer(client)['Authorization']}"
    )
    await loop.sock_sendall(peer, f"{head}\r\n\r\n".encode())
    assert b"200 OK" in await loop.sock_recv(peer, 4_096)
    discard_all = struct.pack("HBBI", 0x06, 0, 0, 0)  # return 0: keep nothing of the packet
    instructions = ctypes.create_string_buffer(discard_all)
    program = struct.pack("HL", 1, ctypes.addressof(instructions))
    peer.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    return peer


async def test_three_vanished_clients_do_not_exclude_a_new_one(client: GatewayClient) -> None:
    await client.post("/v1/me", client.issuer.id())
    peers = [await vanished(client) for _ in range(3)]
    async with await opened(client) as response:
        assert response.status == 200
        assert (await first_event(response))["event"] == "account"
    for peer in peers:
        peer.close()


async def test_a_vanished_client_frees_its_place_though_it_closes_nothing(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(events, "SLOW_SECONDS", 60.0)
    monkeypatch.setattr(open_streams, "UNACKNOWLEDGED_SECONDS", 0.5)
    peer = await vanished(client)
    assert client.gateway.dependencies.streams.open == 1
    await eventually(nothing_open(client))
    peer.close()


def test_heartbeats_and_acknowledgements_free_a_place_within_thirty_seconds() -> None:
    assert events.HEARTBEAT_SECONDS + open_streams.UNACKNOWLEDGED_SECONDS <= 30


@pytest.mark.parametrize("kind", ["sub", "jti", "originJti"])
async def test_the_streams_of_a_revoked_token_end_in_all_gateways(
    kind: str, gateways: Gateways
) -> None:
    client, other = await gateways.open(), await gateways.open()
    for each in (client, other):
        await each.post("/v1/me", each.issuer.id())
    claims = {"sub": ALICE, "jti": "jti-1", "originJti": "origin-1"}
    responses = [await opened(client), await opened(other)]
    bobs = await client.session.get(
        client.url + EVENTS,
        headers={"Authorization": f"Bearer {client.issuer.access('bob', jti='b', origin_jti='b')}"},
    )
    admin = client.issuer.access(
        "root", **{"cognito:groups": ["admin"], "jti": "r"}, origin_jti="r"
    )
    body = {kind: claims[kind]}
    assert (await client.post("/v1/admin/revocations", admin, json=body)).status == 201
    for response in responses:
        await asyncio.wait_for(response.content.read(), 5)
    assert client.gateway.dependencies.streams.open == 1
    bobs.close()


async def test_a_stream_ends_when_its_token_expires(client: GatewayClient) -> None:
    token = client.issuer.access(exp=int(time.time()) + 2)
    headers = {"Authorization": f"Bearer {token}"}
    async with client.session.get(client.url + EVENTS, headers=headers) as response:
        await asyncio.wait_for(response.content.read(), 10)


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
