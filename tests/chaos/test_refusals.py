"""What Redis and AWS refuse for a while is only late: no command, view or announcement is lost.

`make chaos-refusals` refuses in every way, for twenty seconds each. Repeat one of them:
`make chaos-refusals REFUSAL="Redis is full (OOM)"`.
"""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from deploy.local.settings import LocalSettings
from tests.chaos import refusals
from tests.chaos.clients import table
from tests.chaos.world import World, run_world
from tests.support.eventually import eventually

SECONDS = float(os.environ.get("REFUSAL_SECONDS", "2"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or secrets.randbelow(2**31)
SHORT = (
    "Redis is full (OOM)",
    "DynamoDB throttles transactions",
    "DynamoDB reports expired credentials",
)
"""Refusals for which a run of the full test suite has time."""
CLIENTS = 4
RECOVERY_SECONDS = 60
NAMED_SECONDS = 30
"""Seconds within which /readyz of some service names what refuses."""
ROWS: list[list[object]] = []

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240 + 3 * SECONDS)]


def kinds() -> list[str]:
    if chosen := os.environ.get("REFUSAL"):
        return [chosen]
    return list(refusals.ALL if "REFUSAL_SECONDS" in os.environ else SHORT)


@pytest.fixture(scope="module")
async def world(settings: LocalSettings, aws: str) -> AsyncIterator[World]:
    print(f"CHAOS_SEED={SEED}")  # noqa: T201  shown when it fails
    async with run_world(settings, aws, "refusals", seed=SEED) as world:
        world.activity.pause = 0.1
        yield world
    columns = ["refused", "for", "writes", "recovered after", "/readyz named"]
    table(f"CHAOS_SEED={SEED}", columns, ROWS)


@pytest.mark.parametrize("kind", kinds())
async def test_a_refusal_only_delays_commands(world: World, kind: str) -> None:
    with world.system.logs_on_failure():
        await refuse(world, kind)


async def refuse(world: World, kind: str) -> None:
    """Refuse under load, and check everything afterwards."""
    system, activity = world.system, world.activity
    before, named, expected = len(activity.writes), set[str](), refusals.dependency_names(kind)

    async def is_named() -> list[str]:
        named.update(await unready(world))
        return [name for name in named if any(part in name.lower() for part in expected)]

    async with world.load(CLIENTS):
        await world.progress(10)
        async with refusals.ALL[kind](system):
            end = time.monotonic() + SECONDS
            await eventually(is_named, seconds=NAMED_SECONDS)
            while time.monotonic() < end:
                await is_named()
                await asyncio.sleep(0.25)  # the length of the refusal
        over = time.monotonic()
        await world.progress(10, seconds=RECOVERY_SECONDS)
        recovered = time.monotonic() - over
    system.assert_alive()
    writes = len(activity.writes) - before
    ROWS.append([kind, f"{SECONDS:.0f} s", writes, f"{recovered:.1f} s", ", ".join(sorted(named))])
    await world.settle()
    system.assert_alive()
    await world.verdict()


async def unready(world: World) -> set[str]:
    """Return what /readyz of each service names as missing."""
    named = set[str]()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(4)) as session:
        for service in (*world.system.services, "gateway"):
            url = f"{world.system.stack.service(service).url}/readyz"
            try:
                async with session.get(url) as response:
                    body = await response.json(content_type=None)
                    named |= set(body.get("missing", ()))
            except (aiohttp.ClientError, TimeoutError):
                named.add(f"{service} itself")
    return named
