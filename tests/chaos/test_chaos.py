"""Under random faults and load, the log stays complete and each read model is its fold.

`make chaos` runs the long form. Repeat a failed run with the seed that it has printed:
`make chaos SEED=123`. (The seed determines the faults and their order, but not how the processes
interleave.)
"""

import asyncio
import os
import random
import secrets
from collections.abc import Iterator

import pytest

from deploy.local.settings import LocalSettings
from tests.chaos import checks
from tests.chaos.faults import Faults
from tests.chaos.load import Load
from tests.chaos.system import System, run_system
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

FAULTS = int(os.environ.get("CHAOS_FAULTS", "0"))
SHORT = ("a service dies between two steps", "Redis is emptied")
"""Faults for which a run of the full test suite has time."""
SEED = int(os.environ.get("CHAOS_SEED", "0")) or secrets.randbelow(2**31)
WRITERS = 4
IDLE_SECONDS = 120


@pytest.mark.timeout(1_200)
async def test_faults_under_load_neither_lose_nor_repeat_a_command(
    settings: LocalSettings, aws: str
) -> None:
    print(f"CHAOS_SEED={SEED} CHAOS_FAULTS={FAULTS}")  # noqa: T201  shown when it fails
    chance = random.Random(SEED)
    async with run_system(settings, aws) as system:
        await system.start_all()
        token = await asyncio.to_thread(system.stack.users.service_token)
        load = Load(system.gateway.url, token, random.Random(SEED))
        async with asyncio.TaskGroup() as writers:
            for _ in range(WRITERS):
                writers.create_task(load.write())
            await _inject_faults(system, Faults(system, chance), load)
            load.stopped.set()
        await _settle(system)
        assert len(load.acknowledged) > 0
        await checks.check_acknowledged(system, load.acknowledged)
        await checks.check_read_models(system)
        assert await checks.dead_letters(system) == {}
        _print_progress(f"{len(load.acknowledged)} commands acknowledged; statuses {load.statuses}")


async def _inject_faults(system: System, faults: Faults, load: Load) -> None:
    """Inject faults one after the other, with some commands between them."""
    for number, name in enumerate(_order(faults), start=1):
        _print_progress(f"{number:>3} {name}")
        done = len(load.acknowledged)
        await faults.all()[name]()

        async def worked(done: int = done) -> bool:
            return len(load.acknowledged) >= done + 10

        await eventually(worked, seconds=90)
    await system.rebuilds_ended()


def _order(faults: Faults) -> Iterator[str]:
    """Yield the names of faults; no kind is repeated before each has occurred."""
    if not FAULTS:
        yield from faults.chance.sample(SHORT, k=len(SHORT))
        return
    kinds = sorted(faults.all())
    for number in range(FAULTS):
        if number % len(kinds) == 0:
            faults.chance.shuffle(kinds)
        yield kinds[number % len(kinds)]


async def _settle(system: System) -> None:
    """Wait until all services run, all queues are empty and all read models are served."""
    system.dropper.lose(0)
    await system.start_all()

    async def idle() -> bool:
        return not await checks.waiting(system)

    await eventually(idle, seconds=IDLE_SECONDS)
    await system.start_all()  # a service is ready once its read models are served


def _print_progress(text: str) -> None:
    if FAULTS:  # the long form is run at a terminal
        print(text, flush=True)  # noqa: T201
