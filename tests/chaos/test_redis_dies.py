"""Redis is killed under load and comes back empty; the gateway recovers without a restart.

With `make chaos-gateway`, Redis is down for ten seconds.
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
from tests.chaos import checks
from tests.chaos.clients import Clients, Request, describe, table
from tests.chaos.load import Load
from tests.chaos.system import System, run_system
from tests.gateway.environment import CLIENT, ISSUER, PROGRAM, Issuer
from tests.support.eventually import eventually
from tests.support.keys_endpoint import KeysEndpoint

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SECONDS = float(os.environ.get("REDIS_AWAY_SECONDS", "1"))
WORKERS = 2
READERS = 10
WRITERS = 4
EACH = 4
"""Number of clients of each kind in each crowd: with keep-alive, and with new connections."""
READS = default_limits()["reads"]
CODE_GUESSES = default_limits()["guesses-minute"]
GUESS = "/v1/referral/valid?referral_code=00000-00000"
WAITING = {"Prefer": "wait=20"}
"""By default the gateway does not wait as long for an outcome as a busy machine may take."""
SERVED = {"200", "404", "429", "503"}


@dataclass
class Crowd:
    """Run clients of several kinds at the same time."""

    greedy: Clients
    """One person who reads as fast as possible."""
    readers: Clients
    """People with accounts, who read ten times a second."""
    guessers: Clients

    @classmethod
    def start(cls, system: System, issuer: Issuer) -> "Crowd":
        tokens = [issuer.access(f"reader-{number}") for number in range(READERS)]
        greedy = issuer.access("greedy")

        def port() -> int:
            return system.gateway.port

        return cls(
            Clients(port, lambda: Request(token=greedy)).start(EACH),
            Clients(port, lambda: Request(token=random.choice(tokens)), pause=0.1).start(EACH),
            Clients(port, lambda: Request(path=GUESS)).start(1),
        )

    async def stop(self) -> None:
        await asyncio.gather(*(each.stop() for each in self.clients().values()))

    def clients(self) -> dict[str, Clients]:
        return {
            "one greedy reader": self.greedy,
            f"{READERS} readers": self.readers,
            "guesses": self.guessers,
        }

    async def limited(self) -> None:
        async def limited() -> bool:
            return self.greedy.results["429"] > 0

        await eventually(limited)


@dataclass
class Outage:
    """Hold the crowds before, during and after an outage."""

    before: Crowd
    during: Crowd
    after: Crowd
    seconds: float
    """Length of the outage."""
    write_statuses: Counter[int]
    """Statuses of the responses to writers during the outage."""

    def phases(self) -> dict[str, Crowd]:
        return {"before": self.before, "during": self.during, "after": self.after}


@pytest.fixture
async def system(
    settings: LocalSettings, aws: str, endpoint: KeysEndpoint
) -> AsyncIterator[System]:
    async with run_system(settings, aws, name="outage") as system:
        await system.start("referrals").ready(seconds=60)
        system.gateway.start(
            GATEWAY_WORKERS=str(WORKERS),
            COGNITO_ISSUER=ISSUER,
            COGNITO_JWKS_URL=endpoint.url,
            COGNITO_CLIENT_IDS=CLIENT,
            COGNITO_SERVICE_CLIENT_IDS=PROGRAM,
        )
        await system.gateway.ready(seconds=60)
        yield system


async def test_the_gateway_serves_and_limits_requests_while_redis_is_down(
    system: System, issuer: Issuer
) -> None:
    """No response is a 500, codes cannot be guessed, reads are limited, and all recover."""
    load = Load(system.gateway.url, issuer.program(), random.Random(1))
    reader = issuer.access("reader-0")
    async with aiohttp.ClientSession(system.gateway.url) as session:
        for number in range(READERS):
            await open_account(session, issuer.id(f"reader-{number}"))
        stream = await session.get("/v1/me/events", headers=bearer(reader))
        async with asyncio.TaskGroup() as writers:
            for _ in range(WRITERS):
                writers.create_task(load.write())
            outage = await kill_redis(system, issuer, load)
            load.stopped.set()
        await stream_continues(session, stream, reader)
    print_results(outage, load)
    for crowd in outage.phases().values():
        for clients in crowd.clients().values():
            assert set(clients.results) <= SERVED, clients.results
    assert set(load.statuses) <= {201, 202, 409, 429, 503}, load.statuses
    check_limits(outage)
    await check_commands_are_logged(system, load)


async def kill_redis(system: System, issuer: Issuer, load: Load) -> Outage:
    before = Crowd.start(system, issuer)
    await before.limited()
    await system.redis_pair.die()
    died = time.monotonic()
    await before.stop()
    statuses, during = Counter(load.statuses), Crowd.start(system, issuer)
    await asyncio.sleep(SECONDS)  # the length of the outage
    await during.limited()
    await during.stop()
    seconds, write_statuses = time.monotonic() - died, Counter(load.statuses) - statuses
    await system.redis_pair.revive()
    for name in ("gateway", "referrals"):  # they recover without a restart
        await system.stack.service(name).ready(seconds=60)
    after = Crowd.start(system, issuer)
    await asyncio.gather(after.limited(), writes_continue(load))
    await after.stop()
    return Outage(before, during, after, seconds, write_statuses)


async def writes_continue(load: Load) -> None:
    acknowledged = len(load.acknowledged)

    async def more() -> bool:
        return len(load.acknowledged) > acknowledged + 20

    await eventually(more)


def check_limits(outage: Outage) -> None:
    """Check that without Redis each worker grants its share of reads, and no code guess."""
    granted = READS.quantity * (1 + outage.seconds / READS.window)
    assert outage.during.greedy.results["503"] <= granted + WORKERS
    assert outage.during.greedy.results["429"] > 0
    assert set(outage.during.guessers.results) <= {"429", "503"}
    assert 0 < outage.after.guessers.results["200"] <= CODE_GUESSES.quantity + 2
    assert outage.after.readers.results["200"] > 0


async def check_commands_are_logged(system: System, load: Load) -> None:
    streams = await checks.log_of(system, "referrals")
    checks.check_log(streams)
    opened = {f"member-{sub}" for sub in load.acknowledged}
    assert opened
    assert opened <= set(streams)


def print_results(outage: Outage, load: Load) -> None:
    rows: list[list[object]] = [
        [phase, name, f"{clients.longest:.1f} s", describe(clients.results)]
        for phase, crowd in outage.phases().items()
        for name, clients in crowd.clients().items()
    ]
    for phase, statuses in (
        ("during", outage.write_statuses),
        ("all the time", Counter(load.statuses)),
    ):
        counts = Counter({str(status): number for status, number in statuses.items()})
        rows.append([phase, f"{WRITERS} writers", "", describe(counts)])
    rows.append(["all the time", "acknowledged", "", f"{len(load.acknowledged)} commands"])
    title = f"Redis down for {outage.seconds:.1f} s, {WORKERS} workers"
    table(title, ["outage", "clients", "longest", "responses"], rows)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def open_account(session: aiohttp.ClientSession, token: str) -> None:
    async with session.post("/v1/me", headers=bearer(token) | WAITING) as response:
        assert response.status == 201, await response.text()


async def stream_continues(
    session: aiohttp.ClientSession, stream: aiohttp.ClientResponse, token: str
) -> None:
    """Check that a stream opened before the outage reports a change after it."""
    async with session.post(
        "/v1/referral/codes", json={"maxUses": 1}, headers=bearer(token) | WAITING
    ) as response:
        code = (await response.json())["code"]
    async with asyncio.timeout(20):
        while code.encode() not in await stream.content.readuntil(b"\n\n"):
            pass
    stream.close()
