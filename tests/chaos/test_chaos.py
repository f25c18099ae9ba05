"""Everything fails, by chance, under load; afterwards the log is whole and every view is its fold.

`make chaos` runs the long form. A failure is run again with the seed that it has printed:
`make chaos SEED=123`. (What goes wrong and when is drawn from the seed; how the processes
interleave is the machine's.)
"""

import asyncio
import os
import random
import secrets
from collections.abc import Iterator

import pytest

from deploy.local.settings import LocalSettings
from tests.chaos import verdict
from tests.chaos.faults import Faults
from tests.chaos.load import Load
from tests.chaos.world import World, world
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

FAULTS = int(os.environ.get("CHAOS_FAULTS", "0"))
SHORT = ("a service dies between two steps", "Redis is emptied")
"""What a run of the whole suite has time for."""
SEED = int(os.environ.get("CHAOS_SEED", "0")) or secrets.randbelow(2**31)
WRITERS = 4
QUIET_SECONDS = 120


@pytest.mark.timeout(1_200)
async def test_chaos_loses_and_doubles_nothing(settings: LocalSettings, aws: str) -> None:
    print(f"CHAOS_SEED={SEED} CHAOS_FAULTS={FAULTS}")  # noqa: T201  shown when it fails
    chance = random.Random(SEED)
    async with world(settings, aws) as it:
        await it.start_all()
        token = await asyncio.to_thread(it.stack.people.service_token)
        load = Load(it.gateway.url, token, random.Random(SEED))
        async with asyncio.TaskGroup() as writers:
            for _ in range(WRITERS):
                writers.create_task(load.write())
            await _go_wrong(it, Faults(it, chance), load)
            load.stopped.set()
        await _quiet(it)
        assert len(load.acknowledged) > 0
        await verdict.check_acknowledged(it, load.acknowledged)
        await verdict.check_read_models(it)
        assert await verdict.dead_letters(it) == {}
        _tell(f"{len(load.acknowledged)} commands acknowledged; answers {load.answers}")


async def _go_wrong(it: World, faults: Faults, load: Load) -> None:
    """One fault after the other, each kind before any comes again; some work in between."""
    for number, name in enumerate(_order(faults), start=1):
        _tell(f"{number:>3} {name}")
        done = len(load.acknowledged)
        await faults.every()[name]()

        async def worked(done: int = done) -> bool:
            return len(load.acknowledged) >= done + 10

        await eventually(worked, seconds=90)
    await it.rebuilds_ended()


def _order(faults: Faults) -> Iterator[str]:
    if not FAULTS:
        yield from faults.chance.sample(SHORT, k=len(SHORT))
        return
    kinds = sorted(faults.every())
    for number in range(FAULTS):
        if number % len(kinds) == 0:
            faults.chance.shuffle(kinds)
        yield kinds[number % len(kinds)]


async def _quiet(it: World) -> None:
    """Everybody is back, nothing waits, and no read model is missing."""
    it.dropper.lose(0)
    await it.start_all()

    async def quiet() -> bool:
        return not await verdict.waiting(it)

    await eventually(quiet, seconds=QUIET_SECONDS)
    await it.start_all()  # ready, so every read model is served


def _tell(text: str) -> None:
    if FAULTS:  # the long form is watched
        print(text, flush=True)  # noqa: T201
