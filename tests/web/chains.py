"""Provide simulated chains whose tokens the pages show, each for a purpose of its own."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from redis.asyncio import Redis

from contracts.compute import CHAINS, reports_cache
from deploy.local.chain import SimulatedChain, TokenSimulation, application, simulate
from deploy.local.chain.simulation import SUPPLY
from deploy.local.provision import web_environment
from deploy.local.rate_limits import raise_limits
from gateway.limits.table import LIMIT_OVERRIDES
from readthrough import RAO
from tests.support.stack import Stack

SERVICES = ("compute", "referrals", "gateway")
HOSTILE_NAME = '<img src=x onerror="document.title=1">\u202egnp.exe'
HOSTILE_SYMBOL = "<b>&amp;</b>"
HOSTILE_LABEL = '=HYPERLINK("http://evil.example")<script>'


def chains() -> dict[str, SimulatedChain]:
    """Return the chains by name: ids of their own, since what is stored outlives a test."""
    growing = SimulatedChain(_token(), chain_id=51_001)
    hostile = SimulatedChain(
        _token(), chain_id=51_002, name=HOSTILE_NAME, symbol=HOSTILE_SYMBOL, style="range-1000"
    )
    inflated = SimulatedChain(_token(), chain_id=51_003, supply=2 * SUPPLY)
    pictured = SimulatedChain(_token(), chain_id=51_004)
    # for the one test that waits for a first analysis
    searched = SimulatedChain(_token(), chain_id=51_005, name=HOSTILE_NAME, symbol=HOSTILE_SYMBOL)
    return {
        "growing": growing,
        "hostile": hostile,
        "inflated": inflated,
        "pictured": pictured,
        "searched": searched,
    }


def _token() -> TokenSimulation:
    simulation = TokenSimulation(seed=2_026)
    simulate(simulation, scale=2)
    return simulation


@dataclass(frozen=True)
class Place:
    """The services, configured for these chains."""

    stack: Stack
    chains: dict[str, SimulatedChain]


@contextlib.asynccontextmanager
async def running(stack: Stack, services: Iterable[str], folder: Path) -> AsyncIterator[Place]:
    """Serve the chains, and start the services with them and with links to the pages."""
    served, urls = chains(), dict[str, str]()
    async with contextlib.AsyncExitStack() as open_:
        for name, chain in served.items():
            runner = web.AppRunner(application(chain), access_log=None)
            await runner.setup()
            open_.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            urls[name] = "http://{}:{}/".format(*runner.addresses[0][:2])
        environment = _environment(stack, served, urls, _labels(served["hostile"], folder))
        for name in services:
            stack.service(name).stop()
            stack.service(name).start(**environment)
            open_.callback(stack.service(name).stop)
        for name in services:
            await stack.service(name).ready(seconds=120)  # they start at the same time
        yield Place(stack, served)


@contextlib.asynccontextmanager
async def place_of(stack: Stack, folder: Path) -> AsyncIterator[Place]:
    """Start what the page of a token needs, with limits that tests do not reach."""
    redis = Redis.from_url(stack.settings.redis_url)
    raise_limits(stack.settings.redis_url, 100)
    # a request that is refused because the report is too fresh counts as well
    await redis.hset(LIMIT_OVERRIDES, "refreshes", "1000/3600")
    async with running(stack, SERVICES, folder) as started:
        await RAO(reports_cache(CHAINS), client=redis).forget(CHAINS)
        yield started
    await redis.hdel(LIMIT_OVERRIDES, "refreshes")
    await redis.aclose()
    raise_limits(stack.settings.redis_url, 1)


def _environment(
    stack: Stack, served: dict[str, SimulatedChain], urls: dict[str, str], labels: Path
) -> dict[str, str]:
    ids = {name: chain.chain_id for name, chain in served.items()}
    configured = {
        name: {"urls": [urls[name]], "chainId": number, "perSecond": 100_000}
        for name, number in ids.items()
    }
    return web_environment(stack.settings.gateway_url, stack.settings.aws_url) | {
        "CHAINS": json.dumps(configured),
        "EXTRA_CHAINS": json.dumps(ids),
        "REFRESH_SECONDS": "1",
        "LABELS_FILE": str(labels),
    }


def _labels(chain: SimulatedChain, folder: Path) -> Path:
    """Write a file that labels an exchange with a name that attacks spreadsheets and pages."""
    (exchange,) = chain.simulation.exchanges
    quoted = HOSTILE_LABEL.replace('"', '""')
    path = folder / "labels.csv"
    path.write_text(
        "chain_id,address,kind,name,source\n"
        f'{chain.chain_id},{exchange},exchange,"{quoted}",a test\n'
    )
    return path
