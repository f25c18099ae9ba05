"""Delete the keys of generations that are neither served, being built nor kept for a rollback."""

from collections.abc import AsyncIterator
from typing import Final

from chassis.views.keys import generation_of, generations_prefix
from chassis.views.rebuild.plan import RebuildPlans

_BATCH: Final = 500


async def delete_retired(plans: RebuildPlans, name: str) -> None:
    """Delete the retired generations of a read model; readers look for the served one on a miss."""
    named = {each.number for each in await plans.generations() if each.name == name}
    batch: list[bytes] = []
    async for key in _keys(plans, name):
        if generation_of(key) not in named:
            batch.append(key)
        if len(batch) == _BATCH:
            await _unlink(plans, batch)
            batch.clear()
    await _unlink(plans, batch)


async def _keys(plans: RebuildPlans, name: str) -> AsyncIterator[bytes]:
    pattern = f"{generations_prefix(plans.service, name)}*"
    async for key in plans.redis.scan_iter(match=pattern, count=1000):
        yield key


async def _unlink(plans: RebuildPlans, keys: list[bytes]) -> None:
    """Unlink keys in one round trip; in a pipeline, since they are in many slots of a cluster."""
    if not keys:
        return
    pipe = plans.redis.pipeline(transaction=False)
    for key in keys:
        pipe.unlink(key)
    await pipe.execute()
