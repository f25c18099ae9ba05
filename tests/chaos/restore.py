"""Restore the logs to a point in time, as an operator does, and check what is served afterwards."""

import random
from dataclasses import replace
from typing import Any

from tests.chaos import checks
from tests.chaos.world import World

RESTORED = ("referrals", "invites")
BATCH = 25
CLIENTS = 2
WRITES = 30


async def restore_log(world: World) -> None:
    """Copy the logs, let the system go on, put the copies back, and follow the runbook.

    Everything must be settled. Afterwards every read is the fold of the restored log, and what is
    written after the restore is visible.
    """
    copies = await _copy(world)
    async with world.load(CLIENTS):
        await world.progress(WRITES)
    await world.settle()
    for service in (*world.system.services, "gateway"):
        await world.system.kill(world.system.stack.service(service))
    for table, items in copies.items():
        await _replace_items(world, table, items)
    for service in RESTORED:
        world.system.rebuild("--all", service=service)
    assert await world.system.rebuilds_ended() == [0] * len(RESTORED)
    await world.system.start_all()
    before = world.activity
    wrong = await checks.wrong_reads(world.system, before)
    assert wrong == [], wrong
    await checks.check_read_models(world.system)
    # their clients know outcomes that are gone now: others go on
    world.activity = replace(
        before, chance=random.Random(before.chance.random()), writes=[], members=[], seats=[]
    )
    async with world.load(CLIENTS):
        await world.progress(WRITES)
    await world.settle()
    await world.verdict()


async def _copy(world: World) -> dict[str, list[dict[str, Any]]]:
    names = [f"{world.system.name}-{s}-{kind}" for s in RESTORED for kind in ("events", "meta")]
    return {name: await checks.items_of(world.system, name) for name in names}


async def _replace_items(world: World, table: str, items: list[dict[str, Any]]) -> None:
    dynamodb = world.system.dynamodb
    described = await dynamodb.describe_table(TableName=table)
    keys = [each["AttributeName"] for each in described["Table"]["KeySchema"]]
    present = await checks.items_of(world.system, table)
    requests = [
        *({"DeleteRequest": {"Key": {key: item[key] for key in keys}}} for item in present),
        *({"PutRequest": {"Item": item}} for item in items),
    ]
    deletions = len(present)
    for part in (requests[:deletions], requests[deletions:]):
        for first in range(0, len(part), BATCH):
            batch = {table: part[first : first + BATCH]}
            assert not (await dynamodb.batch_write_item(RequestItems=batch))["UnprocessedItems"]
