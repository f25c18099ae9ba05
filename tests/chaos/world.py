"""Run all services on a separate stack, with people who use them and a chain to analyse."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from random import Random

import aiohttp
from aiohttp import web
from redis.exceptions import RedisError

from deploy.local.chain import TOKEN, SimulatedChain, TokenSimulation, application, simulate
from deploy.local.settings import HOST, LocalSettings
from redis_batching.connection import connect
from tests.chaos import checks
from tests.chaos.activity import Activity, settle
from tests.chaos.system import SERVICES, System, run_system
from tests.gateway.environment import CLIENT, ISSUER, PROGRAM, Issuer
from tests.support.eventually import eventually
from tests.support.keys_endpoint import keys_endpoint
from tests.support.rate_limits import suspend_limits

IDLE_SECONDS = 120
FIRST_CHAIN = 41_000
LIMIT_SECONDS = 0.5


@dataclass
class Chains:
    """Serve several chains with the same token; each is analysed at most once."""

    simulation: TokenSimulation
    urls: dict[int, str]
    requested: list[int]

    @property
    def settings(self) -> dict[str, dict[str, object]]:
        return {
            f"chain-{number}": {
                "urls": [url], "chainId": number, "perSecond": 10_000, "finality": 0,
            }
            for number, url in self.urls.items()
        }  # fmt: skip


@contextlib.asynccontextmanager
async def serve_chains(count: int) -> AsyncIterator[Chains]:
    simulation = TokenSimulation(seed=7)
    simulate(simulation)
    chains = Chains(simulation, {}, [])
    async with contextlib.AsyncExitStack() as open_:
        for number in range(FIRST_CHAIN, FIRST_CHAIN + count):
            chain = SimulatedChain(simulation, chain_id=number)
            runner = web.AppRunner(application(chain), access_log=None)
            await runner.setup()
            open_.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, HOST, 0).start()
            chains.urls[number] = f"http://{HOST}:{runner.addresses[0][1]}/"
        yield chains


@dataclass
class World:
    """Hold a running system, its users, and the chains that they ask about."""

    system: System
    activity: Activity
    chains: Chains

    async def request_analysis(self) -> None:
        """Ask for the analysis of a token that was not analysed yet, until it is acknowledged."""
        left = [number for number in self.chains.urls if number not in self.chains.requested]
        if not left:
            return
        self.chains.requested.append(left[0])
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:

            async def acknowledged() -> bool:
                return await self._read_analysis(session, left[0]) in (200, 202)

            await eventually(acknowledged, seconds=120)

    async def _read_analysis(self, session: aiohttp.ClientSession, chain: int) -> int:
        path = f"/v1/tokens/cluster/chain-{chain}/{TOKEN}"
        headers = {"Authorization": f"Bearer {self.activity.access('analyst')}"}
        try:
            async with session.get(self.system.gateway.url + path, headers=headers) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 0

    @contextlib.asynccontextmanager
    async def load(self, clients: int) -> AsyncIterator[None]:
        """Run clients until the context ends."""
        self.activity.stopped.clear()
        self.activity.running.set()
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self.activity.run())
            try:
                yield
            finally:
                self.activity.stopped.set()

    async def progress(self, more: int, seconds: float = 90) -> None:
        """Wait until `more` further writes are acknowledged."""
        target = len(self.activity.acknowledged) + more

        async def reached() -> bool:
            return len(self.activity.acknowledged) >= target

        await eventually(reached, seconds=seconds)

    async def settle(self) -> None:
        """Wait until clients know their outcomes, queues are empty, and mails are sent."""
        await self.system.start_all()
        await settle(self.activity)

        async def idle() -> bool:
            return not await checks.waiting(self.system)

        await eventually(idle, seconds=IDLE_SECONDS)
        if "invites" in self.system.services:
            await eventually(lambda: checks.mails_sent(self.system), seconds=60)
            await eventually(idle, seconds=IDLE_SECONDS)
        await self.system.start_all()  # a service is ready once its read models are served

    async def verdict(self, expected_dead: Collection[str] = ()) -> None:
        """Check everything that was promised against the log; all must be settled."""
        system, activity = self.system, self.activity
        assert activity.writes
        await checks.check_writes(system, activity.writes)
        checks.check_seats(await checks.log_of(system, "referrals"))
        await checks.check_read_models(system)
        wrong = await checks.wrong_reads(system, activity)
        assert wrong == [], wrong
        if "invites" in system.services:
            await checks.check_announced(system)
            async with aiohttp.ClientSession() as session:
                await checks.check_mails(system, session)
        await self._check_analyses()
        dead = await checks.dead_letters(system)
        assert set(dead) <= set(expected_dead), dead

    async def _check_analyses(self) -> None:
        async with aiohttp.ClientSession() as session:
            for chain in self.chains.requested:

                async def readable(chain: int = chain) -> bool:
                    return await self._read_analysis(session, chain) == 200

                await eventually(readable, seconds=60)
        if self.chains.requested:
            log = await checks.log_of(self.system, "compute")
            for chain in self.chains.requested:
                events = checks.events_of(log[f"analysis-{chain}-{TOKEN}"])
                types = [event["t"] for event in events]
                assert types.count("AnalysisCompleted") == 1, types


@contextlib.asynccontextmanager
async def run_world(
    settings: LocalSettings,
    aws: str,
    name: str,
    *,
    seed: int,
    services: tuple[str, ...] = SERVICES,
    analyses: int = 0,
    sharded: bool = False,
) -> AsyncIterator[World]:
    """Start a separate system and its world; every service is ready."""
    issuer = Issuer()
    issuer.rotate("key-1")
    async with (
        keys_endpoint(issuer) as endpoint,
        serve_chains(analyses) as chains,
        run_system(settings, aws, name=name, sharded=sharded) as system,
        contextlib.AsyncExitStack() as open_,
    ):
        extra = dict(zip(chains.settings, chains.urls, strict=True))
        system.services = services
        system.environment = {
            "gateway": {
                "COGNITO_ISSUER": ISSUER,
                "COGNITO_JWKS_URL": endpoint.url,
                "COGNITO_CLIENT_IDS": CLIENT,
                "COGNITO_SERVICE_CLIENT_IDS": PROGRAM,
                "TRUSTED_PROXY_HOPS": "1",  # each write comes from an address of its own
                "EXTRA_CHAINS": json.dumps(extra),
            },
            "invites": {"MAIL_PATIENCE_SECONDS": "3", "TICK_SECONDS": "0.2"},
            "compute": {"CHAINS": json.dumps(chains.settings)},
        }
        limits = asyncio.create_task(_keep_limits_suspended(system))
        open_.callback(limits.cancel)
        await system.start_all()
        activity = Activity(lambda: system.gateway.url, issuer, Random(seed))
        if "invites" not in services:
            del activity.kinds["mail"]
        yield World(system, activity, chains)


async def _keep_limits_suspended(system: System) -> None:
    """Suspend the gateway's limits, again after each loss: repetitions would soon reach them."""
    while True:
        with contextlib.suppress(RedisError, OSError):
            async with connect(system.stack.settings.redis_url, socket_timeout=2) as redis:
                await suspend_limits(redis)
        await asyncio.sleep(LIMIT_SECONDS)  # a period; it waits for no event
