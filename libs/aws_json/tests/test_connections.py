"""Connections are those of aiobotocore: kept alive, bounded in time, and found again by name."""

import asyncio
import socket
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from aws_json import JsonClient
from aws_json.tests.scripted import SILENT, Scripted, Server, open_client, serve


async def test_a_connection_serves_many_calls(server: Server) -> None:
    async with open_client("dynamodb", server.url) as client:
        for _ in range(3):
            await JsonClient(client).get_item(TableName="t", Key={})
        await client.list_tables()
    assert len({each.peer for each in server.received}) == 1


@pytest.mark.usefixtures("pauses")
async def test_a_connection_that_the_server_closed_is_replaced(server: Server) -> None:
    async with open_client("dynamodb", server.url, attempts=2) as generic:
        client = JsonClient(generic)
        await client.get_item(TableName="t", Key={})
        server.close_connections()
        await client.get_item(TableName="t", Key={})
    assert len({each.peer for each in server.received}) == 2


async def test_the_pool_bounds_the_connections(server: Server) -> None:
    async with open_client("dynamodb", server.url, max_pool_connections=2) as generic:
        client = JsonClient(generic)
        await asyncio.gather(*(client.get_item(TableName="t", Key={}) for _ in range(10)))
    assert len({each.peer for each in server.received}) <= 2


async def test_a_reply_that_does_not_come_is_a_read_timeout(server: Server) -> None:
    server.answer(SILENT)
    async with open_client("dynamodb", server.url, read_timeout=0.05) as client:
        with pytest.raises(ReadTimeoutError):
            await JsonClient(client).get_item(TableName="t", Key={})


async def test_a_port_that_drops_packets_is_a_connect_timeout() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)  # noqa: FBT003  the socket API
            filler.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        async with open_client("dynamodb", url, connect_timeout=0.05) as client:
            with pytest.raises(ConnectTimeoutError):
                await JsonClient(client).get_item(TableName="t", Key={})


async def test_a_closed_port_cannot_be_reached() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # no other program gets the port; it does not listen
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        async with open_client("dynamodb", url) as client:
            with pytest.raises(EndpointConnectionError):
                await JsonClient(client).get_item(TableName="t", Key={})


@pytest.mark.usefixtures("pauses")
async def test_a_name_is_resolved_again_when_its_address_has_changed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = {"dynamodb.test": server.url}

    async def resolve(_self: Any, host: str, *_: Any, **__: Any) -> Any:
        port = int(addresses[host].rpartition(":")[2])  # resolved too: no test owns port 80
        place = {"hostname": host, "host": "127.0.0.1", "port": port}
        return [{**place, "family": socket.AF_INET, "proto": 6, "flags": 0}]

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", resolve)
    config: dict[str, Any] = {"connector_args": {"use_dns_cache": False}}
    async with (
        serve() as moved,
        open_client("dynamodb", "http://dynamodb.test", attempts=2, **config) as generic,
    ):
        client = JsonClient(generic)
        await client.get_item(TableName="t", Key={})
        addresses["dynamodb.test"] = moved.url
        server.close_connections()
        await client.get_item(TableName="t", Key={})
        assert len(moved.received) == 1


async def test_a_proxy_of_the_environment_is_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    async with open_client("dynamodb", "http://dynamodb.test:1") as client:
        server.answer(Scripted(b'{"Count": 1}'))
        assert (await JsonClient(client).scan(TableName="t"))["Count"] == 1
    assert server.received[0].headers["host"] == "dynamodb.test:1"


async def test_a_cancelled_call_leaves_the_client_usable(server: Server) -> None:
    server.answer(SILENT, Scripted())
    async with open_client("dynamodb", server.url) as generic:
        client = JsonClient(generic)
        call = asyncio.ensure_future(client.get_item(TableName="t", Key={}))
        await server.arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await client.get_item(TableName="t", Key={})
