"""Provide a gateway on a free port, with a real Redis and the services in the same process."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from cognito_jwt import KeySet
from gateway.api import own_ranks
from gateway.app import Gateway, assemble, running
from gateway.clients import Clients, connect_redis
from gateway.edge.server import serve
from gateway.http import own_documents
from gateway.http.redis_losses import KEY as LOSSES
from gateway.settings import Settings
from readthrough import MemoryTable
from redis_batching.connection import connect
from tests.gateway.conformance import description
from tests.gateway.environment import PATIENCE_SECONDS, Bus, Issuer, settings
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer
from tracing.spans import Traces


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_documents, "WAIT_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(own_ranks, "AGREE_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    async with connect(redis_server.url) as client:
        await client.flushall()
        yield client


@pytest.fixture(scope="session")
def issuer_of_all() -> Issuer:
    """Create the keys once: that is slow."""
    issuer = Issuer()
    issuer.rotate("key-1")
    return issuer


@pytest.fixture
def issuer(issuer_of_all: Issuer) -> Issuer:
    return Issuer(keys=dict(issuer_of_all.keys))


@pytest.fixture
async def bus(redis: Redis) -> AsyncIterator[Bus]:
    bus = Bus(redis)
    await bus.start()
    yield bus
    await bus.stop()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Any
    body: bytes
    json: Any


@dataclass
class GatewayClient:
    """A client of one gateway, with access to what is behind it."""

    url: str
    session: aiohttp.ClientSession
    gateway: Gateway
    issuer: Issuer
    bus: Bus
    redis: Redis

    async def call(
        self,
        method: str,
        path: str,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Reply:
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.session.request(
            method, self.url + path, headers=sent | (headers or {}), **options
        ) as response:
            body = await response.read()
            is_json = "json" in response.content_type and body
            parsed = await response.json(content_type=None) if is_json else None
            description().check(method, path, response.status, response.content_type, parsed)
            return Reply(response.status, response.headers, body, parsed)

    async def get(self, path: str, token: str | None = None, **options: Any) -> Reply:
        return await self.call("GET", path, token, **options)

    async def post(self, path: str, token: str | None = None, **options: Any) -> Reply:
        return await self.call("POST", path, token, **options)


@dataclass
class Gateways:
    """Open gateways, which are closed at the end of the test."""

    bus: Bus
    issuer: Issuer
    redis: Redis
    redis_url: str
    stack: contextlib.AsyncExitStack
    keys: list[KeySet] = field(default_factory=list)
    reports: MemoryTable = field(default_factory=MemoryTable)
    traces: Traces | None = None
    redis_timeout: float = PATIENCE_SECONDS
    """Seconds after which a gateway gives up waiting for Redis; in operation it is one."""

    async def assemble(self, **changes: Any) -> Gateway:
        """Return a gateway that does not run yet."""
        chosen = settings(self.redis_url, **changes)
        return assemble(chosen, await self._outside(chosen), self.traces)

    async def open(self, **changes: Any) -> GatewayClient:
        gateway = await self.assemble(**changes)
        await self.stack.enter_async_context(running(gateway))
        port = await self.stack.enter_async_context(
            serve(gateway.public, "127.0.0.1", 0, middleware=gateway.middleware)
        )
        session = await self.stack.enter_async_context(aiohttp.ClientSession())
        await eventually(self._ready(gateway))
        await self._age_redis(gateway)
        url = f"http://127.0.0.1:{port}"
        return GatewayClient(url, session, gateway, self.issuer, self.bus, self.redis)

    async def _age_redis(self, gateway: Gateway) -> None:
        """Let this Redis be known for a day: a new one may have lost what was there before."""
        losses = gateway.dependencies.commands.losses
        await losses.look()
        known: Any = await self.redis.hgetall(LOSSES)
        for node, value in known.items():
            since, _, evicted = value.decode().partition(",")
            await self.redis.hset(LOSSES, node, f"{float(since) - 86_400},{evicted}")
        await losses.look()

    async def _outside(self, chosen: Settings) -> Clients:
        client = await self.stack.enter_async_context(connect_redis(chosen))
        timeouts = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), self.redis_timeout)
        client.connection_pool.connection_kwargs |= timeouts
        self.keys.append(KeySet(self.issuer.fetch))

        async def bus_ready() -> bool:
            return not self.bus.down

        keys = [self.keys[-1]]

        return Clients(self.bus.memory, client, keys, bus_ready, self.reports)

    @staticmethod
    def _ready(gateway: Gateway) -> Any:
        async def ready() -> bool:
            return not await gateway.health.failing()

        return ready


@pytest.fixture
async def gateways(
    bus: Bus, issuer: Issuer, redis: Redis, redis_server: RedisServer
) -> AsyncIterator[Gateways]:
    async with contextlib.AsyncExitStack() as stack:
        yield Gateways(bus, issuer, redis, redis_server.url, stack)


@pytest.fixture
async def client(gateways: Gateways) -> GatewayClient:
    return await gateways.open()
