"""Under random faults and load, the log stays complete and each read model is its fold.

`make chaos` runs the long form. Repeat a failed run with the seed that it has printed:
`make chaos FAULTS=60 SEED=123`. (The seed determines the faults, their order and the load, but not
how the processes interleave.)
"""

import os
import random
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from deploy.local.settings import LocalSettings
from tests.chaos.clients import table
from tests.chaos.faults import Faults
from tests.chaos.restore import restore_log
from tests.chaos.system import SERVICES
from tests.chaos.world import World, run_world

pytestmark = pytest.mark.stack

FAULTS = int(os.environ.get("CHAOS_FAULTS", "0"))
SHORT = ("a service dies between two steps", "Redis is emptied")
"""Faults for which a run of the full test suite has time."""
SEED = int(os.environ.get("CHAOS_SEED", "0")) or secrets.randbelow(2**31)
ONLY = [name for name in os.environ.get("CHAOS_ONLY", "").split(";") if name]
"""Kinds of faults to choose from; empty: all."""
CLIENTS = 4
PROGRESS = 10
"""Number of writes that must be acknowledged after each fault."""
RECOVERY_SECONDS = 90
SETTLE_EVERY = 10
"""Number of faults after which all outcomes are checked, so that a failure names few of them."""


@pytest.mark.timeout(600 + 90 * FAULTS)
async def test_faults_under_load_neither_lose_nor_repeat_a_command(
    settings: LocalSettings, aws: str
) -> None:
    print(f"CHAOS_SEED={SEED} CHAOS_FAULTS={FAULTS}")  # noqa: T201  shown when it fails
    services = (*SERVICES, "compute") if FAULTS else SERVICES
    analyses = 1 + FAULTS // 5 if FAULTS else 0
    counts, worst = Counter[str](), defaultdict[str, float](float)
    async with run_world(
        settings, aws, "chaos", seed=SEED, services=services, analyses=analyses
    ) as world:
        faults = Faults(world, random.Random(SEED))
        names = list(_order(faults))
        for first in range(0, len(names), SETTLE_EVERY):
            async with world.load(CLIENTS):
                await world.progress(PROGRESS)
                for number, name in enumerate(names[first:][:SETTLE_EVERY], start=first + 1):
                    _print_progress(f"{number:>3} {name}")
                    counts[name] += 1
                    recovered = await _inject(world, faults, name)
                    worst[name] = max(worst[name], recovered)
                await world.system.rebuilds_ended()
            await _settle(world)
            await world.verdict()
        acknowledged = len(world.activity.acknowledged)
        if FAULTS:
            began = time.monotonic()
            await restore_log(world)
            worst["the log is restored to a point in time"] = time.monotonic() - began
            counts["the log is restored to a point in time"] += 1
        _print_results(world, acknowledged, counts, worst)


async def _inject(world: World, faults: Faults, name: str) -> float:
    """Inject a fault; return the seconds from its end until writes were acknowledged again."""
    await faults.all()[name]()
    over = time.monotonic()
    await world.progress(PROGRESS, seconds=RECOVERY_SECONDS)
    return time.monotonic() - over


def _order(faults: Faults) -> Iterator[str]:
    """Yield the names of faults; no kind is repeated before each has occurred."""
    if not FAULTS:
        yield from faults.chance.sample(SHORT, k=len(SHORT))
        return
    kinds = sorted(ONLY or faults.all())
    for number in range(FAULTS):
        if number % len(kinds) == 0:
            faults.chance.shuffle(kinds)
        yield kinds[number % len(kinds)]


async def _settle(world: World) -> None:
    """Wait until all services run, all queues are empty and all read models are served."""
    world.system.proxy.lose(0)
    await world.settle()


def _print_results(
    world: World, acknowledged: int, counts: Counter[str], worst: dict[str, float]
) -> None:
    rows = [[name, counts[name], f"{worst[name]:.1f} s"] for name in sorted(counts)]
    title = (
        f"CHAOS_SEED={SEED}: {acknowledged} writes acknowledged, "
        f"statuses {dict(sorted(world.activity.statuses.items()))}"
    )
    table(title, ["fault", "times", "worst time to recovery"], rows)


def _print_progress(text: str) -> None:
    if FAULTS:  # the long form is run at a terminal
        print(text, flush=True)  # noqa: T201
