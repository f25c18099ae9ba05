"""Measure how long reads are wrong after a failover, and what the service does meanwhile."""

import json
import time
from collections.abc import Collection
from datetime import datetime
from typing import Final

from tests.chaos import checks
from tests.chaos.system import System
from tests.chaos.world import World

PHASES: Final = ("redis_nodes_changed", "recent_streams_repaired", "read_models_verified")
COLUMNS: Final = ("noticed", "recent repaired", "all verified")


def phases(system: System, moment: float) -> list[str]:
    """Return the seconds from a moment (UNIX time) until each phase was logged; `-`: it was not."""
    found: dict[str, float] = {}
    for line in system.stack.service("referrals").log.read_text().splitlines():
        if not any(f'"{phase}"' in line for phase in PHASES):
            continue
        logged = json.loads(line)
        at = datetime.fromisoformat(logged["timestamp"]).timestamp() - moment
        if at > 0:
            found.setdefault(logged["event"], at)
    return [f"{found[phase]:.1f} s" if phase in found else "-" for phase in PHASES]


async def wrong_streams(
    world: World, moment: float, among: Collection[str] | None = None
) -> set[str]:
    """Return the streams without an event since a moment (UNIX time) whose reads are wrong.

    `among` limits the streams. Under load a stream may get an event while it is read: then it is
    not among the results of the next call.
    """

    def chosen(items: list[checks.Item]) -> bool:
        untouched = int(items[-1]["t"]["N"]) < moment * 1000
        return untouched and (among is None or items[0]["p"]["S"] in among)

    wrong = await checks.wrong_reads(world.system, world.activity, chosen)
    return {each.partition(":")[0] for each in wrong}


async def until_right(world: World, moment: float, within: float) -> tuple[int, float]:
    """Wait until every read of a stream without a new event is right.

    Returns how many streams were wrong at first, and after how many seconds none was.

    Raises:
        AssertionError: Some are still wrong after `within` seconds.
    """
    deadline = time.monotonic() + within
    wrong = await wrong_streams(world, moment)
    behind = len(wrong)
    while wrong and time.monotonic() < deadline:
        wrong = await wrong_streams(world, moment, wrong)
    assert not wrong
    return behind, time.time() - moment
