"""DynamoDB clients, tables and event stores for the tests."""

from typing import Any

import aioboto3
import pytest
from botocore.config import Config

from chassis.log.dynamodb import DynamoDBEventStore
from tests.chassis.events import CODEC, Counted, Named

STORES = ("memory", pytest.param("dynamodb", marks=pytest.mark.stack))
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
