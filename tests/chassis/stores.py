"""DynamoDB clients, tables and event stores for the tests."""

from collections.abc import Callable
from typing import Any

import aioboto3
import pytest
from botocore.config import Config

from aws_json import JsonClient
from chassis.log.dynamodb import DynamoDBEventStore
from chassis.log.event_store import EventStore
from chassis.log.memory import MemoryEventStore
from tests.chassis.events import CODEC, Counted, Named

CLIENTS: dict[str, Callable[[Any], Any]] = {
    "dynamodb": lambda client: client,
    "dynamodb by aws_json": JsonClient,
}
"""Clients of DynamoDB, as functions of a client of aioboto3."""
STORES = ("memory", *(pytest.param(name, marks=pytest.mark.stack) for name in CLIENTS))
"""Parameters of a fixture that returns every implementation of the event store."""
EVENTS, META = "counters-events", "counters-meta"


def dynamodb_client(endpoint_url: str, account: str) -> Any:
    """Return an unopened client; a 12-digit access key id is an account of the local AWS."""
    return aioboto3.Session().client(
        "dynamodb",
        endpoint_url=endpoint_url,
        region_name="eu-west-2",
        aws_access_key_id=account,
        aws_secret_access_key="local",
        config=Config(
            max_pool_connections=64, retries={"mode": "standard", "total_max_attempts": 5}
        ),
    )


def store_of(request: pytest.FixtureRequest) -> EventStore[Counted | Named]:
    """Return the store that a parameter of `STORES` names; only DynamoDB starts the local AWS."""
    if request.param == "memory":
        return MemoryEventStore(CODEC)
    return dynamodb_store(CLIENTS[request.param](request.getfixturevalue("dynamodb")))


def dynamodb_store(client: Any) -> DynamoDBEventStore[Counted | Named]:
    """Return an event store on tables that `create_tables` has created."""
    return DynamoDBEventStore(client, events=EVENTS, meta=META, codec=CODEC)


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
