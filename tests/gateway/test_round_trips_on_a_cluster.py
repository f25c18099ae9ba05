"""On a cluster, every referral code takes the same number of round trips, known or not."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import hiredis
import pytest
from redis.asyncio import Redis

from chassis.views.keys import control_key
from chassis.views.read_models import ReadModels
from contracts.referrals import CODE_OWNERS
from deploy.local.ports import unused_ports
from deploy.local.settings import HOST
from redis_batching import primary_connection
from tests.gateway.conftest import GatewayClient
from tests.gateway.environment import ALICE
from tests.support.redis_cluster import RedisCluster, redis_cluster
from tests.support.redis_server import RedisServer

LATENCY_SECONDS = 0.005
"""Delay of each reply: commands that do not wait for each other are sent meanwhile."""
REPETITIONS = 8
"""Requests per code: a pause of the machine may divide what is sent at once."""
UNKNOWN = "00000-00000"
VALID = "/v1/referral/valid?referral_code="
NOT_COUNTED = {b"HELLO", b"CLIENT", b"CLUSTER", b"INFO", b"PING", b"SUBSCRIBE"}
BACKGROUND = {
    b"{referrals}:generations",
    b"gateway:limits",
    b"gateway:{losses}",
    b"gateway:{revocations}:version",
    b"gateway:{revocations}:list",
}
"""Read periodically, independent of requests."""


@dataclass
class RoundTrips:
    """Forward connections to the nodes of a cluster, and count how often a client has waited."""

    count: int = 0
    _waiting: int = 0

    async def forward(
        self, server: RedisServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answers, upstream = await asyncio.open_connection(HOST, server.port)
        counted: deque[bool] = deque()
        with contextlib.suppress(ConnectionError):
            try:
                await asyncio.gather(
                    self._commands(reader, upstream, counted),
                    self._replies(answers, writer, counted),
                )
            finally:
                upstream.close()
                writer.close()

    async def _commands(
        self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, counted: deque[bool]
    ) -> None:
        commands = hiredis.Reader()
        while chunk := await reader.read(2**16):
            commands.feed(chunk)
            while (command := commands.gets()) is not False:
                counted.append(_is_counted(command))
                if counted[-1]:
                    self.count += self._waiting == 0
                    self._waiting += 1
            upstream.write(chunk)
        upstream.close()

    async def _replies(
        self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, counted: deque[bool]
    ) -> None:
        replies = hiredis.Reader()
        while chunk := await answers.read(2**16):
            replies.feed(chunk)
            await asyncio.sleep(LATENCY_SECONDS)  # of the network; it waits for no event
            while replies.gets() is not False:
                if counted and counted.popleft():
                    self._waiting -= 1
            writer.write(chunk)
        writer.close()


def _is_counted(command: list[bytes]) -> bool:
    identifies_node = command[0] == b"EVALSHA" and command[2] == b"0"
    of_background = len(command) > 1 and command[1] in BACKGROUND
    return not (command[0] in NOT_COUNTED or of_background or identifies_node)


@pytest.fixture(scope="module")
def trips() -> RoundTrips:
    return RoundTrips()


@pytest.fixture(scope="module")
async def redis_server(
    trips: RoundTrips, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RedisCluster]:
    """A cluster whose nodes are reached through proxies."""
    ports = unused_ports(3)
    async with (
        redis_cluster(tmp_path_factory.mktemp("cluster"), announced=ports) as cluster,
        contextlib.AsyncExitStack() as open_,
    ):
        for port, server in zip(ports, cluster.servers, strict=True):

            async def forward(reader: Any, writer: Any, server: RedisServer = server) -> None:
                await trips.forward(server, reader, writer)

            proxy = await asyncio.start_server(forward, HOST, port)
            open_.callback(proxy.close)
        yield cluster


async def test_every_code_takes_the_same_round_trips_on_a_cluster(
    client: GatewayClient, trips: RoundTrips, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the time of a response would reveal which codes exist."""
    monkeypatch.setattr(primary_connection, "VERIFY_SECONDS", 600)
    code = (await client.post("/v1/me", client.issuer.id())).json["referralCode"]
    (key,) = await redis.keys(f"*{{member-codes*member-{ALICE}*")
    usable: Any = await redis.hget(key, "d")

    async def check(code: str, document: bytes = usable) -> tuple[bool, int]:
        await redis.hset(key, "d", document)
        for limit in await redis.keys("limit:*"):
            await redis.delete(limit)
        await client.get(VALID + code)  # opens connections and reads the verified nodes
        taken = []
        for _ in range(REPETITIONS):
            before = trips.count
            valid = (await client.get(VALID + code)).json["valid"]
            taken.append(trips.count - before)
        return valid, min(taken)

    expired = usable.replace(b'"expiresAt":null', b'"expiresAt":1')
    assert usable != expired
    valid, known = await check(code)
    assert valid
    assert await check(code, expired) == (False, known)
    assert await check(UNKNOWN) == (False, known)
    nodes: Any = redis
    control, entries = control_key("referrals"), await ReadModels(redis).shared_key(CODE_OWNERS)
    assert await nodes.node_for(control) is not await nodes.node_for(entries)  # two shards answer
