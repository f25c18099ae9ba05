"""Open the clients of a service process: DynamoDB, Redis and SQS."""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from chassis.bus.commands import Publisher
from chassis.decide.decider import DecisionContext
from chassis.decide.repository import decision_context
from chassis.log.codec import Codec
from chassis.log.dynamodb import DynamoDBEventStore
from chassis.log.event_store import EventStore
from chassis.resilience.outages import OUTAGES
from chassis.run.aws import aws_session
from chassis.run.settings import LogTables, ServiceSettings
from faststream_sqs import SQSBroker
from redis_batching.connection import connect

SEND_LINGER_SECONDS = 0.05
ACK_LINGER_SECONDS = 0.25
"""Under load, seconds that an announcement and a deletion wait to share an SQS call with others."""

CONNECT_SECONDS = 3
READ_SECONDS = 10
"""Timeouts of calls to DynamoDB: botocore's own, a minute each, would hold a command for five."""

OpenStore = Callable[[str, Codec[Any]], EventStore[Any]]
"""Opens the event store of a service: (service name, codec) -> store."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Hold the clients of a process. Tests pass in-memory implementations."""

    redis: Any
    """Returns bytes (`decode_responses=False`)."""
    broker: SQSBroker
    """Receives messages, and sends them unless `publisher` does."""
    open_store: OpenStore
    dynamodb: Any = None
    """A started client of aiobotocore, for tables other than the event store."""
    aws: Any = field(default_factory=get_session)
    """The session of aiobotocore that opens the clients of further AWS services."""
    publisher: Publisher | None = None
    """Sends commands and announcements; default: the broker."""
    now: Callable[[], DecisionContext] = decision_context
    """Makes the context of each decision: time and random bytes."""

    @property
    def sending(self) -> Publisher:
        """Return the publisher of commands and announcements."""
        return self.broker if self.publisher is None else self.publisher


def report_receive(queue: str, error: Exception | None) -> None:
    """Register that messages cannot be received from a queue; None: that they can again."""
    operation = "receive", queue
    if error is None:
        OUTAGES.succeeded(operation)
    else:
        OUTAGES.failed(operation, error)


@contextlib.asynccontextmanager
async def open_resources(settings: ServiceSettings) -> AsyncIterator[Resources]:
    """Open the clients for the duration of the context; connections are made on first use."""
    config = AioConfig(
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=64,
        # these two took a tenth of the CPU of a command
        parameter_validation=False,
        user_agent=settings.stack,
    )
    session = aws_session(settings)
    redis = connect(
        settings.redis_url.get_secret_value(), password_file=settings.redis_password_file
    )
    async with (
        session.create_client("dynamodb", config=config) as dynamodb,
        contextlib.aclosing(redis),
    ):
        broker = SQSBroker(
            session=session,
            reject="dlq",
            send_linger=SEND_LINGER_SECONDS,
            ack_linger=ACK_LINGER_SECONDS,
            on_receive=report_receive,
            logger=logging.getLogger("faststream_sqs"),
            log_level=logging.DEBUG,
            apply_types=False,  # injection would make a task group for each message
        )
        yield Resources(redis, broker, _stores(dynamodb, settings.log_tables), dynamodb, session)


def stores_in(dynamodb: Any, stack: str) -> OpenStore:
    """Return a function that opens event stores in the tables of a stack."""
    return _stores(
        dynamodb, lambda service: LogTables(f"{stack}-{service}-events", f"{stack}-{service}-meta")
    )


def _stores(dynamodb: Any, tables: Callable[[str], LogTables]) -> OpenStore:
    def open_store(service: str, codec: Codec[Any]) -> EventStore[Any]:
        events, meta = tables(service)
        return DynamoDBEventStore(dynamodb, events=events, meta=meta, codec=codec)

    return open_store
