"""Event stores for the tests: in memory, and in DynamoDB on the local AWS."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chassis.log.event_store import EventStore
from chassis.log.memory import MemoryEventStore
from tests.chassis.events import CODEC, Counted, Named
from tests.chassis.stores import STORES, create_tables, dynamodb_client, store_of


@pytest.fixture(scope="session")
async def dynamodb(aws: str, aws_account: str) -> AsyncIterator[Any]:
    async with dynamodb_client(aws, aws_account) as client:
        await create_tables(client)
        yield client


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> EventStore[Counted | Named]:
    """Every implementation of the event store."""
    return store_of(request)


@pytest.fixture
async def memory_store() -> MemoryEventStore[Counted | Named]:
    return MemoryEventStore(CODEC)
