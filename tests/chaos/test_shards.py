"""Kill the primary of one shard under load; its replica takes over, and nothing is lost.

`make chaos-shards ROUNDS=12` runs the long form. Rounds go through the shards. The replica takes
over by command at once, or by the vote of the other primaries; every other one lags by then.
"""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator

import pytest

from deploy.local.settings import LocalSettings
from tests.chaos.clients import table
from tests.chaos.readers import Readers
from tests.chaos.repairs import COLUMNS, phases, until_right
from tests.chaos.world import World, run_world

ROUNDS = int(os.environ.get("SHARD_ROUNDS", "2"))
LAG = float(os.environ.get("SHARD_LAG", "1"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or secrets.randbelow(2**31)
CLIENTS, READERS = 3, 4
PROGRESS = 10
"""Number of writes that must be acknowledged before and after a shard is killed."""
REPAIR_SECONDS = 10
"""Seconds after the promotion within which every read must be right without a new event."""

pytestmark = [pytest.mark.stack, pytest.mark.timeout(200 + 60 * ROUNDS)]


@pytest.fixture(scope="module")
async def world(settings: LocalSettings, aws: str) -> AsyncIterator[World]:
    print(f"CHAOS_SEED={SEED}")  # noqa: T201  shown when it fails
    async with run_world(settings, aws, "shards", seed=SEED, sharded=True) as world:
        yield world


async def test_nothing_is_lost_when_the_replica_of_a_killed_shard_takes_over(world: World) -> None:
    readers, rows = Readers(world.activity), list[list[object]]()
    with world.system.logs_on_failure():
        async with readers.reading(READERS):
            for number in range(ROUNDS):
                lag = LAG if number % 2 else 0.0
                rows.append(await fail_over(world, number, lag=lag))
                assert readers.wrong == []
            await world.settle()
        await world.verdict()
    assert readers.wrong == []
    title = f"CHAOS_SEED={SEED}: {readers.summary()}"
    columns = ["shard", "promoted by", "lag", "writes", "behind", *COLUMNS]
    table(title, [*columns, "writes again", "all reads right"], rows)


async def fail_over(world: World, number: int, *, lag: float) -> list[object]:
    """Kill the primary of one shard under load, promote its replica, and check all reads."""
    shards, before = world.system.shards, len(world.activity.writes)
    primary = await shards.cluster.primary(number)
    replica = await shards.cluster.replica_of(primary)
    by_vote = not lag and number % 4 == 2  # a replica that lags is not a candidate
    async with world.load(CLIENTS):
        await world.progress(PROGRESS)
        if lag:
            await shards.cluster.fall_behind(replica)
            await asyncio.sleep(lag)  # what is written meanwhile is lost
        await shards.kill(primary, replica)
        if by_vote:
            await shards.cluster.promoted(replica)
        else:
            await shards.cluster.promote(replica, "TAKEOVER")
        promoted = time.time()
        (behind, right), resumed = await asyncio.gather(
            until_right(world, promoted, REPAIR_SECONDS), _until_resumed(world, promoted)
        )
        await shards.cluster.stop_falling_behind(replica)
        await primary.start()  # empty: it becomes the replica
        await shards.cluster.replica_of(replica)
    world.system.assert_alive()
    writes, how = len(world.activity.writes) - before, "vote" if by_vote else "command"
    timed = [*phases(world.system, promoted), f"{resumed:.1f} s", f"{right:.1f} s"]
    return [number % 3, how, f"{lag:.1f} s", writes, behind, *timed]


async def _until_resumed(world: World, promoted: float) -> float:
    """Return the seconds from the promotion until further writes were acknowledged."""
    await world.progress(PROGRESS)
    return time.time() - promoted
