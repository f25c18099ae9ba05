"""Connect to Redis, the bus, the report table and the issuers of tokens."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from aiobotocore.config import AioConfig
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from chassis.bus.commands import Publisher, commands_queue
from chassis.bus.tracing import tracing_middleware
from chassis.run.aws import aws_session
from chassis.run.health import Check
from cognito_jwt import KeySet, jwks_fetcher
from contracts.compute import reports_table
from contracts.registry import SERVICES
from faststream_sqs import SQSBroker
from gateway.settings import Settings
from readthrough import DAO, Table
from redis_batching import BatchingRedis, connect

if TYPE_CHECKING:
    from tracing.spans import Traces  # loads OpenTelemetry, which most processes never do

SEND_LINGER_SECONDS = 0.005
"""Batching window for outgoing commands, in seconds; small compared with the round trip."""
_AWS = AioConfig(
    retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=1, read_timeout=3
)
"""Two attempts: a caller is waiting, and will retry before a third attempt could help."""


@dataclass(frozen=True, slots=True)
class Clients:
    """Hold the connections to everything outside the gateway."""

    publisher: Publisher
    redis: Any
    keys: Sequence[KeySet]
    """One for each of the settings' pools, in their order."""
    bus_ready: Check
    reports: Table
    """Reports of token clusters; the gateway reads this table and no event store."""


@contextlib.asynccontextmanager
async def open_clients(
    settings: Settings, traces: "Traces | None" = None
) -> AsyncIterator[Clients]:
    """Open the clients; a server that is down now is tried again later."""
    async with contextlib.AsyncExitStack() as stack:
        redis = connect_redis(settings)
        stack.push_async_callback(redis.aclose)
        session = await stack.enter_async_context(aiohttp.ClientSession(trust_env=True))
        aws = aws_session(settings)
        broker = await stack.enter_async_context(_bus(aws, traces))
        sqs = await stack.enter_async_context(aws.create_client("sqs", config=_AWS))
        dynamodb = await stack.enter_async_context(aws.create_client("dynamodb", config=_AWS))
        queues = QueueCheck(sqs, [commands_queue(settings.stack, service) for service in SERVICES])
        keys = [KeySet(jwks_fetcher(session, pool.jwks_url)) for pool in settings.pools()]
        reports = DAO(reports_table(settings.stack), client=dynamodb)
        yield Clients(broker, redis, keys, queues.all_exist, reports)


def connect_redis(settings: Settings) -> BatchingRedis:
    """Return a Redis client that repeats a call once if its connection broke.

    More retries would only queue up; a call that timed out is not retried.
    """
    return connect(
        settings.redis_url.get_secret_value(),
        password_file=settings.redis_password_file,
        socket_timeout=1.0,
        socket_connect_timeout=1.0,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )


@contextlib.asynccontextmanager
async def _bus(aws: Any, traces: "Traces | None") -> AsyncIterator[SQSBroker]:
    """Connect to SQS; botocore's variables (AWS_…) give endpoint, region and credentials."""
    broker = SQSBroker(session=aws, send_linger=SEND_LINGER_SECONDS)
    if traces is not None:
        broker.add_middleware(tracing_middleware(traces))
    await broker.connect()
    try:
        yield broker
    finally:
        await broker.stop()


class QueueCheck:
    """Check that SQS answers, and that every queue the gateway sends to exists.

    A queue is looked up until it is found; afterwards each check looks up one of them.
    """

    def __init__(self, sqs: Any, names: Iterable[str]) -> None:
        self._sqs = sqs
        self._names = sorted(names)
        self._missing = set(self._names)

    async def all_exist(self) -> bool:
        """Return whether all queues exist; raises what the client raises for a missing one."""
        for name in sorted(self._missing) or self._names[:1]:
            await self._sqs.get_queue_url(QueueName=name)
            self._missing.discard(name)
        return True
