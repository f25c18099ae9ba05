"""The event stores, and a second implementation of DynamoDB."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from chassis.log.event_store import EventStore
from deploy.local.settings import HOST
from tests.chassis.events import Counted, Named
from tests.chassis.stores import (
    STORES,
    create_tables,
    dynamodb_client,
    dynamodb_store,
    store_of,
)


@pytest.fixture(scope="session")
async def moto(aws_account: str) -> AsyncIterator[Any]:
    server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    async with dynamodb_client(f"http://{host}:{port}", aws_account) as client:
        await create_tables(client)
        yield client
    server.stop()


@pytest.fixture(params=[*STORES, pytest.param("moto", marks=pytest.mark.stack)])
def store(request: pytest.FixtureRequest) -> EventStore[Counted | Named]:
    """Every implementation of the event store, and of DynamoDB."""
    if request.param == "moto":
        return dynamodb_store(request.getfixturevalue("moto"))
    return store_of(request)


@pytest.fixture(params=STORES)
def racing_store(request: pytest.FixtureRequest) -> EventStore[Counted | Named]:
    """The implementations that support concurrent writers; moto loses acknowledged writes."""
    return store_of(request)
