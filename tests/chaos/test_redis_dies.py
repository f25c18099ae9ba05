"""Redis is killed under load, and is back, empty, some time later; nobody restarts the gateway.

`make chaos-gateway` leaves it away for ten seconds.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from deploy.local.settings import LocalSettings
from gateway.limits import Table
from tests.chaos import verdict
from tests.chaos.callers import Callers, Request, table, told
from tests.chaos.keys_endpoint import KeysEndpoint
from tests.chaos.load import Load
from tests.chaos.world import World, world
from tests.gateway.world import CLIENT, ISSUER, PROGRAM, Issuer
from tests.support.eventually import eventually
from tests.support.stack import start_redis

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SECONDS = float(os.environ.get("REDIS_AWAY_SECONDS", "1"))
WORKERS = 2
READERS = 10
WRITERS = 4
EACH = 4
"""Clients of each kind in each crowd, kept connections and fresh ones."""
READS = Table()["reads"]
GUESSES = Table()["guesses-minute"]
GUESS = "/v1/referral/valid?referral_code=00000-00000"
SERVED = {"200", "404", "429", "503"}


@dataclass
class Crowd:
    """Everybody who asks the gateway for something at the same time."""

    greedy: Callers
    """One person who reads as fast as answers come."""
    readers: Callers
    """Others, who have accounts."""
    guessers: Callers

    @classmethod
    def of(cls, world: World, issuer: Issuer) -> "Crowd":
        tokens = [issuer.access(f"reader-{number}") for number in range(READERS)]
        greedy = issuer.access("greedy")

        def port() -> int:
            return world.gateway.port

        return cls(
            Callers(port, lambda: Request(token=greedy)).start(EACH),
            Callers(port, lambda: Request(token=random.choice(tokens)), pause=0.1).start(EACH),
            Callers(port, lambda: Request(path=GUESS)).start(1),
        )

    async def stop(self) -> None:
        await asyncio.gather(*(each.stop() for each in self.everybody().values()))

    def everybody(self) -> dict[str, Callers]:
        return {
            "one greedy reader": self.greedy,
            f"{READERS} readers": self.readers,
            "guesses": self.guessers,
        }

    async def limited(self) -> None:
        async def limited() -> bool:
            return self.greedy.seen["429"] > 0

        await eventually(limited)


@pytest.fixture
async def it(settings: LocalSettings, aws: str, endpoint: KeysEndpoint) -> AsyncIterator[World]:
    async with world(settings, aws) as it:
        await it.start("referrals").ready(seconds=60)
        it.gateway.start(
            GATEWAY_WORKERS=str(WORKERS),
            COGNITO_ISSUER=ISSUER,
            COGNITO_JWKS_URL=endpoint.url,
            COGNITO_CLIENT_IDS=CLIENT,
            COGNITO_SERVICE_CLIENT_IDS=PROGRAM,
        )
        await it.gateway.ready(seconds=60)
        yield it


async def test_redis_is_away_under_load(it: World, issuer: Issuer) -> None:
    async with aiohttp.ClientSession(it.gateway.url) as session:
        for number in range(READERS):
            await opens_account(session, issuer.id(f"reader-{number}"))
        stream = await session.get("/v1/me/events", headers=bearer(issuer.access("reader-0")))
        load = Load(it.gateway.url, issuer.program(), random.Random(1))
        async with asyncio.TaskGroup() as writers:
            for _ in range(WRITERS):
                writers.create_task(load.write())
            before = Crowd.of(it, issuer)
            await before.limited()
            it.redis_process.kill()
            died = time.monotonic()
            await asyncio.to_thread(it.redis_process.wait)
            await before.stop()
            answered = Counter(load.answers)
            during = Crowd.of(it, issuer)
            await asyncio.sleep(SECONDS)  # how long it is away is the point
            await during.limited()
            await during.stop()
            away = time.monotonic() - died
            refused = Counter(load.answers) - answered
            it.redis_process = await asyncio.to_thread(start_redis, it.stack.settings)
            await it.gateway.ready(seconds=60)
            acknowledged = len(load.acknowledged)
            after = Crowd.of(it, issuer)
            await after.limited()

            async def writes_on() -> bool:
                return len(load.acknowledged) > acknowledged + 20

            await eventually(writes_on)
            await after.stop()
            load.stopped.set()
        await stream_goes_on(session, stream, issuer.access("reader-0"))
    phases = {"before": before, "away": during, "back": after}
    rows: list[list[object]] = [
        [phase, name, told(callers.seen)]
        for phase, crowd in phases.items()
        for name, callers in crowd.everybody().items()
    ]
    rows.append(["away", f"{WRITERS} writers", told(Counter(map_keys(refused)))])
    rows.append(["all the time", f"{WRITERS} writers", told(Counter(map_keys(load.answers)))])
    rows.append(["", "commands acknowledged", len(load.acknowledged)])
    table(f"Redis away for {away:.1f} s, {WORKERS} workers", ["Redis", "who", "answers"], rows)
    for crowd in phases.values():
        for callers in crowd.everybody().values():
            assert set(callers.seen) <= SERVED, callers.seen
    assert set(load.answers) <= {201, 202, 409, 429, 503}, load.answers
    share = READS.quantity * (1 + away / READS.window)  # of both workers together
    assert during.greedy.seen["503"] <= share + WORKERS
    assert during.guessers.seen["200"] == 0
    assert after.guessers.seen["200"] <= GUESSES.quantity + 2
    assert after.readers.seen["200"] > 0
    streams = await verdict.log_of(it, "referrals")
    verdict.check_log(streams)
    lost = [sub for sub in load.acknowledged if f"member-{sub}" not in streams]
    assert not lost


def map_keys(counts: dict[int, int]) -> dict[str, int]:
    return {str(status): number for status, number in counts.items()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def opens_account(session: aiohttp.ClientSession, token: str) -> None:
    async with session.post("/v1/me", headers=bearer(token)) as answer:
        assert answer.status == 201, await answer.text()


async def stream_goes_on(
    session: aiohttp.ClientSession, stream: aiohttp.ClientResponse, token: str
) -> None:
    """The one that was open when Redis died tells of what happens now."""
    async with session.post("/v1/referral/codes", json={"maxUses": 1}, headers=bearer(token)) as it:
        code = (await it.json())["code"]
    async with asyncio.timeout(20):
        while code.encode() not in await stream.content.readuntil(b"\n\n"):
            pass
    stream.close()
