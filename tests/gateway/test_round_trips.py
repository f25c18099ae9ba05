"""Count the Redis round trips and messages that a write takes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hiredis
import pytest
from redis.asyncio import Redis

from chassis.bus import outcomes
from chassis.views import read_models
from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.environment import ALICE
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.single_node(
    "test_round_trips_on_a_cluster.py counts in front of every node"
)

UNKNOWN, NO_CODE = "00000-00000", "00000-00001"
VALID = "/v1/referral/valid?referral_code="
BOB = "b0b00000-0000-4000-8000-000000000b0b"
CAROL = "ca401000-0000-4000-8000-00000000ca40"
GREETINGS = {b"HELLO", b"CLIENT", b"SUBSCRIBE", b"PING"}
BACKGROUND = {
    b"{referrals}:generations",
    b"gateway:limits",
    b"gateway:{losses}",
    b"gateway:{revocations}:list",
    b"gateway:{revocations}:version",
}
"""Read periodically, independent of requests."""


@dataclass
class Onlooker:
    """A proxy in front of Redis that records the commands of each write."""

    redis: Path
    trips: list[list[str]] = field(default_factory=list)
    _ends: list[asyncio.StreamWriter] = field(default_factory=list)

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_redis, to_redis = await asyncio.open_unix_connection(self.redis)
        self._ends += [writer, to_redis]
        commands = hiredis.Reader()

        async def forward_commands() -> None:
            while chunk := await reader.read(2**16):
                commands.feed(chunk)
                self._note(commands)
                to_redis.write(chunk)
            to_redis.close()

        async def forward_replies() -> None:
            while chunk := await from_redis.read(2**16):
                writer.write(chunk)
            writer.close()

        with contextlib.suppress(ConnectionError):
            await asyncio.gather(forward_commands(), forward_replies())

    def _note(self, commands: hiredis.Reader) -> None:
        trip = []
        while (command := commands.gets()) is not False:
            identifies_node = command[0] == b"EVALSHA" and command[2] == b"0"
            if command[0] in GREETINGS or command[1] in BACKGROUND or identifies_node:
                continue
            trip.append(command[0].decode())
        if trip:
            self.trips.append(trip)

    def close(self) -> None:
        for end in self._ends:
            end.close()


@pytest.fixture
async def trips(redis_server: RedisServer) -> AsyncIterator[Onlooker]:
    onlooker = Onlooker(redis_server.folder / "redis.sock")
    server = await asyncio.start_unix_server(
        onlooker.forward, redis_server.folder / "onlooker.sock"
    )
    yield onlooker
    server.close()
    onlooker.close()
    await server.wait_closed()


@pytest.fixture
async def client(
    trips: Onlooker, gateways: Gateways, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> GatewayClient:
    """Load scripts and fill caches."""
    gateways.redis_url = f"unix://{redis_server.folder}/onlooker.sock"
    client = await gateways.open()
    keys: list[dict[str, str]] = [{}, {"Idempotency-Key": "first"}]
    for key in keys:
        await client.post("/v1/me", client.issuer.id(BOB), headers=key)
    client.bus.forget_sent()
    trips.trips.clear()
    # not even on a slow machine
    monkeypatch.setattr(outcomes, "POLL_SECONDS", 60)
    monkeypatch.setattr(read_models, "GENERATION_CACHE_SECONDS", 60)
    return client


async def test_a_write_takes_three_round_trips_and_one_message(
    client: GatewayClient, trips: Onlooker
) -> None:
    assert (await client.post("/v1/me", client.issuer.id())).status == 201
    # the address's limit, the person's limit, and the view in the response
    assert trips.trips == [["EVALSHA"], ["EVALSHA"], ["HMGET"]]
    assert len(client.bus.sent) == 1


async def test_a_cached_token_saves_one_round_trip(client: GatewayClient, trips: Onlooker) -> None:
    token = client.issuer.access(BOB)
    assert (await client.get("/v1/me", token)).status == 200
    trips.trips.clear()
    assert (await client.post("/v1/referral/codes", token, json={})).status == 201
    assert trips.trips == [["EVALSHA"], ["HMGET"]]


async def test_an_idempotency_key_takes_two_more_round_trips(
    client: GatewayClient, trips: Onlooker
) -> None:
    headers = {"Idempotency-Key": f"key-{ALICE}"}
    assert (await client.post("/v1/me", client.issuer.id(CAROL), headers=headers)).status == 201
    # after the address's limit: the claim together with a possible outcome; and last the response
    kept = [["EVALSHA"], ["EVALSHA", "GET"], ["EVALSHA"], ["HMGET"], ["EVALSHA"]]
    assert trips.trips == kept


async def test_every_code_takes_the_same_round_trips(
    client: GatewayClient, trips: Onlooker, redis: Redis
) -> None:
    """Otherwise the time of a response would reveal which codes exist."""
    code = (await client.post("/v1/me", client.issuer.id())).json["referralCode"]
    (key,) = await redis.keys(f"*{{member-codes*member-{ALICE}*")
    usable: Any = await redis.hget(key, "d")

    async def check(code: str, document: bytes = usable) -> tuple[Any, list[list[str]]]:
        await redis.hset(key, "d", document)
        await client.get(VALID + code)  # loads the scripts
        trips.trips.clear()
        reply = (await client.get(VALID + code)).json
        return reply.get("valid"), trips.trips.copy()

    spent = usable.replace(b'"remaining":10', b'"remaining":0')
    expired = usable.replace(b'"expiresAt":null', b'"expiresAt":1')
    assert usable not in (spent, expired)
    limits, guesses = [["EVALSHA"]], [["EVALSHA", "EVALSHA"]]
    known = [*limits, *guesses, ["HMGET"], ["HMGET"], *guesses]
    assert await check(code) == (True, known)
    assert await check(code, spent) == (False, known)
    assert await check(code, expired) == (False, known)
    unknown = [*limits, *guesses, ["HMGET"], ["EVALSHA"], *guesses]
    assert await check(UNKNOWN) == (False, unknown)
    assert await check(NO_CODE) == (None, limits)  # a text that no code can be reveals nothing


async def test_a_replay_takes_two_round_trips(client: GatewayClient, trips: Onlooker) -> None:
    headers = {"Idempotency-Key": f"key-{ALICE}"}
    token = client.issuer.id(CAROL)
    assert (await client.post("/v1/me", token, headers=headers)).status == 201
    trips.trips.clear()
    assert (await client.post("/v1/me", token, headers=headers)).status == 201
    # the stored response, and the limit of repetitions
    assert trips.trips == [["EVALSHA", "GET"], ["EVALSHA"]]


async def test_an_overview_reads_its_parts_together(client: GatewayClient, trips: Onlooker) -> None:
    token = client.issuer.access(BOB)
    assert (await client.get("/v1/me/overview", token)).status == 200
    trips.trips.clear()
    assert (await client.get("/v1/me/overview", token)).status == 200
    together = [["HMGET", "EVALSHA"], ["HMGET", "EVALSHA", "EVALSHA", "EVALSHA"]]
    absent = [["EVALSHA"], ["HMGET"], ["EVALSHA"]]
    # the account with the limit; codes, invitations, ledger and leaderboard; then, since there is
    # no invitation, whether that is certain; and the closed days, of which there are none either
    assert trips.trips == together + absent
