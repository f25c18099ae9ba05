"""Every port's implementations, for the suites that serve them all."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aioboto3
import pytest
from botocore.config import Config

from chassis.dynamodb import DynamoDBEventStore
from chassis.event_store import EventStore
from chassis.memory import MemoryEventStore
from tests.chassis.events import CODEC, Counted, Named

EVENTS, META = "counters-events", "counters-meta"


@dataclass(frozen=True)
class EventStores:
    """Makes stores on the local AWS, in an account of their own."""

    endpoint_url: str

    def client(self, endpoint_url: str | None = None) -> Any:
        return aioboto3.Session().client(
            "dynamodb",
            endpoint_url=endpoint_url or self.endpoint_url,
            region_name="eu-west-2",
            aws_access_key_id="111111111111",
            aws_secret_access_key="local",
            config=Config(
                max_pool_connections=64, retries={"mode": "standard", "total_max_attempts": 5}
            ),
        )

    def dynamodb(self, client: Any) -> DynamoDBEventStore[Counted | Named]:
        return DynamoDBEventStore(client, events=EVENTS, meta=META, codec=CODEC)


@pytest.fixture(scope="session")
def stores(aws: str) -> EventStores:
    return EventStores(aws)


@pytest.fixture(scope="session")
async def dynamodb(stores: EventStores) -> AsyncIterator[Any]:
    async with stores.client() as client:
        for table, *keys in (
            (EVENTS, ("p", "S", "HASH"), ("s", "N", "RANGE")),
            (META, ("k", "S", "HASH")),
        ):
            with contextlib.suppress(client.exceptions.ResourceInUseException):
                await client.create_table(
                    TableName=table,
                    BillingMode="PAY_PER_REQUEST",
                    KeySchema=[{"AttributeName": n, "KeyType": k} for n, _, k in keys],
                    AttributeDefinitions=[
                        {"AttributeName": n, "AttributeType": t} for n, t, _ in keys
                    ],
                )
        yield client


@pytest.fixture(params=["memory", "dynamodb"])
async def store(
    request: pytest.FixtureRequest, stores: EventStores, dynamodb: Any
) -> EventStore[Counted | Named]:
    if request.param == "memory":
        return MemoryEventStore(CODEC)
    return stores.dynamodb(dynamodb)


@pytest.fixture
async def memory_store() -> MemoryEventStore[Counted | Named]:
    return MemoryEventStore(CODEC)
