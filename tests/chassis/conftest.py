"""Event stores for the tests: in memory, on the local AWS and on moto."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aioboto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from chassis.log.dynamodb import DynamoDBEventStore
from chassis.log.event_store import EventStore
from chassis.log.memory import MemoryEventStore
from deploy.local.settings import HOST
from tests.chassis.events import CODEC, Counted, Named

EVENTS, META = "counters-events", "counters-meta"


@dataclass(frozen=True)
class EventStores:
    """Creates event stores on the local AWS, in an account that no other test uses."""

    endpoint_url: str
    account: str

    def client(self, endpoint_url: str | None = None) -> Any:
        return aioboto3.Session().client(
            "dynamodb",
            endpoint_url=endpoint_url or self.endpoint_url,
            region_name="eu-west-2",
            aws_access_key_id=self.account,
            aws_secret_access_key="local",
            config=Config(
                max_pool_connections=64, retries={"mode": "standard", "total_max_attempts": 5}
            ),
        )

    def dynamodb(self, client: Any) -> DynamoDBEventStore[Counted | Named]:
        return DynamoDBEventStore(client, events=EVENTS, meta=META, codec=CODEC)


@pytest.fixture(scope="session")
def stores(aws: str, aws_account: str) -> EventStores:
    return EventStores(aws, aws_account)


@pytest.fixture(scope="session")
async def dynamodb(stores: EventStores) -> AsyncIterator[Any]:
    async with stores.client() as client:
        await create_tables(client)
        yield client


@pytest.fixture(scope="session")
async def moto_dynamodb(stores: EventStores) -> AsyncIterator[Any]:
    """A second implementation of DynamoDB; not for concurrent writers, of which moto loses some."""
    server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    async with stores.client(f"http://{host}:{port}") as client:
        await create_tables(client)
        yield client
    server.stop()


async def create_tables(client: Any) -> None:
    for table, *keys in (
        (EVENTS, ("p", "S", "HASH"), ("s", "N", "RANGE")),
        (META, ("k", "S", "HASH")),
    ):
        await client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": n, "KeyType": k} for n, _, k in keys],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t, _ in keys],
        )


@pytest.fixture(params=["memory", "dynamodb", "moto"])
async def store(
    request: pytest.FixtureRequest, stores: EventStores, dynamodb: Any, moto_dynamodb: Any
) -> EventStore[Counted | Named]:
    """Every implementation of the event store."""
    if request.param == "memory":
        return MemoryEventStore(CODEC)
    return stores.dynamodb(dynamodb if request.param == "dynamodb" else moto_dynamodb)


@pytest.fixture(params=["memory", "dynamodb"])
async def racing_store(
    request: pytest.FixtureRequest, stores: EventStores, dynamodb: Any
) -> EventStore[Counted | Named]:
    """The implementations that support concurrent writers."""
    return MemoryEventStore(CODEC) if request.param == "memory" else stores.dynamodb(dynamodb)


@pytest.fixture
async def memory_store() -> MemoryEventStore[Counted | Named]:
    return MemoryEventStore(CODEC)
