"""Delete the keys of generations that are neither served, being built nor kept for a rollback."""

from typing import Final

from chassis.views.generations import parse_generations
from chassis.views.keys import control_key, generation_counter_key, generation_of, keys_of
from chassis.views.rebuild.plan import RebuildPlans

_BATCH: Final = 500


async def delete_retired(plans: RebuildPlans, name: str) -> None:
    """Delete the retired generations of a read model; readers look for the served one on a miss.

    Numbers are not used again, so one that has been used and is not named will never be named.
    Generations that begin while this is under way have higher numbers and are left alone.
    """
    named, highest = await _numbers(plans, name)
    batch: list[bytes] = []
    async for key in keys_of(plans.redis, plans.service, name):
        if generation_of(key) <= highest and generation_of(key) not in named:
            batch.append(key)
        if len(batch) == _BATCH:
            await _delete(plans, name, batch)
            batch.clear()
    await _delete(plans, name, batch)


async def _numbers(plans: RebuildPlans, name: str) -> tuple[set[int], int]:
    """Return the numbers that the control hash names, and the highest that was ever used."""
    pipe = plans.redis.pipeline(transaction=True)
    pipe.hgetall(control_key(plans.service))
    pipe.get(generation_counter_key(plans.service, name))
    control, highest = await pipe.execute()
    numbers = {each.number for each in parse_generations(control) if each.name == name}
    return numbers, max(int(highest or 0), *numbers, 0)


async def _delete(plans: RebuildPlans, name: str, keys: list[bytes]) -> None:
    """Delete keys, unless Redis has lost the counter and one of their numbers is in use again."""
    if keys:
        named, _ = await _numbers(plans, name)
        await _unlink(plans, [key for key in keys if generation_of(key) not in named])


async def _unlink(plans: RebuildPlans, keys: list[bytes]) -> None:
    """Unlink keys in one round trip; in a pipeline, since they are in many slots of a cluster."""
    if not keys:
        return
    pipe = plans.redis.pipeline(transaction=False)
    for key in keys:
        pipe.unlink(key)
    await pipe.execute()
