"""The connections to what stands outside: Redis, the bus, the issuers of tokens."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aioboto3
import aiohttp
from botocore.config import Config
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from chassis.bus.commands import Publisher, commands_queue
from chassis.bus.tracing import tracing_middleware
from cognito_jwt import KeySet, jwks_fetcher
from contracts import compute, invites, referrals
from contracts.compute import reports_table
from faststream_sqs import SQSBroker
from gateway.edge.health import Check
from gateway.settings import Settings
from readthrough import DAO, Table
from redis_batching.client import BatchingRedis
from redis_batching.connection import cancellation_safe

if TYPE_CHECKING:
    from tracing.spans import Traces

SENDS_TO = (referrals.SERVICE, invites.SERVICE, compute.SERVICE)
"""The services that the gateway sends commands to."""
SEND_LINGER_SECONDS = 0.005
"""How long a command waits for others to share a call with; nothing beside the way to come."""
_DYNAMODB = Config(
    retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=1, read_timeout=3
)
"""A reader waits; it asks again sooner than a third attempt would help it."""


@dataclass(frozen=True, slots=True)
class Clients:
    """Hold the connections to everything outside the gateway."""

    publisher: Publisher
    redis: Any
    subscription: Any
    """A Redis client without a read timeout: announcements may be rare."""
    keys: Sequence[KeySet]
    """One for each of the settings' pools, in their order."""
    bus_ready: Check
    reports: Table
    """Reports of token clusters; the gateway reads this table and no event store."""


@contextlib.asynccontextmanager
async def opened(settings: Settings, traces: "Traces | None" = None) -> AsyncIterator[Clients]:
    """Clients for the time of the context; whoever is down now is tried again later."""
    async with contextlib.AsyncExitStack() as stack:
        redis = connected(BatchingRedis, settings, socket_timeout=1.0)
        subscription = connected(Redis, settings)
        stack.push_async_callback(redis.aclose)
        stack.push_async_callback(subscription.aclose)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        broker = await stack.enter_async_context(_bus(traces))
        sqs = await stack.enter_async_context(aioboto3.Session().client("sqs"))
        dynamodb = await stack.enter_async_context(
            aioboto3.Session().client("dynamodb", config=_DYNAMODB)
        )
        queues = Queues(sqs, [commands_queue(settings.stack, service) for service in SENDS_TO])
        keys = [KeySet(jwks_fetcher(session, pool.jwks_url)) for pool in settings.pools()]
        reports = DAO(reports_table(settings.stack), client=dynamodb)
        yield Clients(broker, redis, subscription, keys, queues.found, reports)


def connected(kind: type[Redis], settings: Settings, **options: Any) -> Any:
    """One quick retry covers a connection that was closed while idle; more would only queue up.

    Whoever waited in vain does not wait a second time.
    """
    client = kind.from_url(
        settings.redis_url,
        socket_connect_timeout=1.0,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        **options,
    )
    return cancellation_safe(client)


@contextlib.asynccontextmanager
async def _bus(traces: "Traces | None") -> AsyncIterator[SQSBroker]:
    """Endpoint, region and credentials are botocore's own variables (AWS_…)."""
    broker = SQSBroker(send_linger=SEND_LINGER_SECONDS)
    if traces is not None:
        broker.add_middleware(tracing_middleware(traces))
    await broker.connect()
    try:
        yield broker
    finally:
        await broker.stop()


class Queues:
    """Whether every queue that we send to exists; one that was found once is not looked for."""

    def __init__(self, sqs: Any, names: Iterable[str]) -> None:
        self._sqs = sqs
        self._unseen = set(names)

    async def found(self) -> bool:
        for name in sorted(self._unseen):
            await self._sqs.get_queue_url(QueueName=name)
            self._unseen.discard(name)
        return not self._unseen
