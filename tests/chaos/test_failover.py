"""Redis fails over, under load, to a replica that lacks the last writes; each read is right soon.

`make chaos-failover ROUNDS=10 LAG=3` runs the long form. Rounds alternate between an old primary
that lives on as a replica with its connections open, and one that dies.
"""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator

import pytest

from deploy.local.settings import LocalSettings
from tests.chaos import checks
from tests.chaos.clients import table
from tests.chaos.readers import Readers
from tests.chaos.repairs import COLUMNS, phases, until_right, wrong_streams
from tests.chaos.world import World, run_world

ROUNDS = int(os.environ.get("FAILOVER_ROUNDS", "1"))
LAG = float(os.environ.get("FAILOVER_LAG", "1.5"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or secrets.randbelow(2**31)
CLIENTS, READERS = 3, 4
SERVICES = ("referrals",)
REPAIR_SECONDS = 10
"""Seconds after which every read must be right without a new event on the stream."""

pytestmark = [pytest.mark.stack, pytest.mark.timeout(200 + 60 * ROUNDS)]


@pytest.fixture(scope="module")
async def world(settings: LocalSettings, aws: str) -> AsyncIterator[World]:
    print(f"CHAOS_SEED={SEED}")  # noqa: T201  shown when it fails
    async with run_world(settings, aws, "failover", seed=SEED, services=SERVICES) as world:
        yield world


async def test_reads_are_right_after_a_failover_to_a_replica_that_lags(world: World) -> None:
    """No member who exists is reported as absent, and nothing stays as the replica had it."""
    readers, rows = Readers(world.activity), list[list[object]]()
    with world.system.logs_on_failure():
        async with readers.reading(READERS):
            for number in range(ROUNDS):
                lag = 0.0 if number % 4 == 3 else LAG
                rows.append(await fail_over(world, lag=lag, keep_old=number % 2 == 0))
                assert readers.wrong == []
        await world.verdict()
    title = f"CHAOS_SEED={SEED}: {readers.summary()}"
    columns = ["lag", "old primary", "writes", "behind", *COLUMNS, "all reads right"]
    table(title, columns, rows)


async def fail_over(world: World, *, lag: float, keep_old: bool) -> list[object]:
    """Fail over once under load, and check all reads ten seconds later."""
    pair, before = world.system.redis_pair, len(world.activity.writes)
    await pair.remove_replica()
    async with world.load(CLIENTS):
        await world.progress(10)
        await pair.replace_replica()
        if lag:
            pair.freeze()
            await asyncio.sleep(lag)  # what is written meanwhile is lost
        moment = time.time()
        await pair.fail_over(keep_old=keep_old)
        behind, right = await until_right(world, moment, REPAIR_SECONDS)
        await asyncio.sleep(moment + REPAIR_SECONDS - time.time())  # it is to stay so under load
    assert await wrong_streams(world, moment) == set()
    world.system.assert_alive()
    await world.settle()
    wrong = await checks.wrong_reads(world.system, world.activity)
    assert wrong == [], wrong
    writes, old = len(world.activity.writes) - before, "replica" if keep_old else "dead"
    timed = [*phases(world.system, moment), f"{right:.1f} s"]
    return [f"{lag:.1f} s", old, writes, behind, *timed]
