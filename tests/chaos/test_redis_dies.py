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
from gateway.limits.table import default_limits
from tests.chaos import verdict
from tests.chaos.callers import Callers, Request, table, told
from tests.chaos.load import Load
from tests.chaos.world import World, world
from tests.gateway.environment import CLIENT, ISSUER, PROGRAM, Issuer
from tests.support.eventually import eventually
from tests.support.keys_endpoint import KeysEndpoint
from tests.support.stack import start_redis

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SECONDS = float(os.environ.get("REDIS_AWAY_SECONDS", "1"))
WORKERS = 2
READERS = 10
WRITERS = 4
EACH = 4
"""Clients of each kind in each crowd, kept connections and fresh ones."""
READS = default_limits()["reads"]
GUESSES = default_limits()["guesses-minute"]
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


@dataclass
class Story:
    """What was asked before, during and after the outage, and what was answered."""

    before: Crowd
    away: Crowd
    back: Crowd
    seconds: float
    """Of the outage."""
    refused: Counter[int]
    """What writers were told meanwhile."""

    def phases(self) -> dict[str, Crowd]:
        return {"before": self.before, "away": self.away, "back": self.back}


@pytest.fixture
async def it(settings: LocalSettings, aws: str, endpoint: KeysEndpoint) -> AsyncIterator[World]:
    async with world(settings, aws, name="outage") as it:
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
    """Nobody is told 500, nobody guesses, reads are limited, and all goes on by itself."""
    load = Load(it.gateway.url, issuer.program(), random.Random(1))
    reader = issuer.access("reader-0")
    async with aiohttp.ClientSession(it.gateway.url) as session:
        for number in range(READERS):
            await opens_account(session, issuer.id(f"reader-{number}"))
        stream = await session.get("/v1/me/events", headers=bearer(reader))
        async with asyncio.TaskGroup() as writers:
            for _ in range(WRITERS):
                writers.create_task(load.write())
            story = await redis_dies(it, issuer, load)
            load.stopped.set()
        await stream_goes_on(session, stream, reader)
    tell(story, load)
    for crowd in story.phases().values():
        for callers in crowd.everybody().values():
            assert set(callers.seen) <= SERVED, callers.seen
    assert set(load.answers) <= {201, 202, 409, 429, 503}, load.answers
    check_limits(story)
    await check_nothing_is_lost(it, load)


async def redis_dies(it: World, issuer: Issuer, load: Load) -> Story:
    before = Crowd.of(it, issuer)
    await before.limited()
    it.redis_process.kill()
    died = time.monotonic()
    await asyncio.to_thread(it.redis_process.wait)
    await before.stop()
    answered, away = Counter(load.answers), Crowd.of(it, issuer)
    await asyncio.sleep(SECONDS)  # how long it is away is the point
    await away.limited()
    await away.stop()
    seconds, refused = time.monotonic() - died, Counter(load.answers) - answered
    it.redis_process = await asyncio.to_thread(start_redis, it.stack.settings)
    for name in ("gateway", "referrals"):  # ready again by themselves
        await it.stack.service(name).ready(seconds=60)
    back = Crowd.of(it, issuer)
    await asyncio.gather(back.limited(), writes_on(load))
    await back.stop()
    return Story(before, away, back, seconds, refused)


async def writes_on(load: Load) -> None:
    acknowledged = len(load.acknowledged)

    async def more() -> bool:
        return len(load.acknowledged) > acknowledged + 20

    await eventually(more)


def check_limits(story: Story) -> None:
    """Without Redis each worker grants its share of what one person may read, and no guess."""
    granted = READS.quantity * (1 + story.seconds / READS.window)
    assert story.away.greedy.seen["503"] <= granted + WORKERS
    assert story.away.greedy.seen["429"] > 0
    assert set(story.away.guessers.seen) <= {"429", "503"}
    assert 0 < story.back.guessers.seen["200"] <= GUESSES.quantity + 2
    assert story.back.readers.seen["200"] > 0


async def check_nothing_is_lost(it: World, load: Load) -> None:
    streams = await verdict.log_of(it, "referrals")
    verdict.check_log(streams)
    opened = {f"member-{sub}" for sub in load.acknowledged}
    assert opened
    assert opened <= set(streams)


def tell(story: Story, load: Load) -> None:
    rows: list[list[object]] = [
        [phase, name, f"{callers.longest:.1f} s", told(callers.seen)]
        for phase, crowd in story.phases().items()
        for name, callers in crowd.everybody().items()
    ]
    for phase, answers in (("away", story.refused), ("all the time", Counter(load.answers))):
        words = Counter({str(status): number for status, number in answers.items()})
        rows.append([phase, f"{WRITERS} writers", "", told(words)])
    rows.append(["all the time", "acknowledged", "", f"{len(load.acknowledged)} commands"])
    title = f"Redis away for {story.seconds:.1f} s, {WORKERS} workers"
    table(title, ["Redis", "who", "longest", "answers"], rows)


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
