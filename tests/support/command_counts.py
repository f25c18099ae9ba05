"""Count the commands that Redis has executed."""

from collections import Counter
from typing import Any


async def calls_of_commands(redis: Any) -> Counter[str]:
    """Return command -> number of executions, on a server or on all primaries of a cluster.

    What scripts call is included.
    """
    counts: Counter[str] = Counter()
    for node in await redis.primaries():
        stats = await node.info("commandstats")
        counts.update({name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()})
    return counts
