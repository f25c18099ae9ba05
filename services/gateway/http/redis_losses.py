"""Notice when Redis may have lost outcomes, so that an operation is not reported as unknown."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from chassis.resilience.outages import OUTAGES, Outages
from chassis.resilience.supervision import attempt
from chassis.views.identity import NodeIdentity, identities

KEY: Final = "gateway:{losses}"
"""A Redis hash: identity of a node -> when it was first seen (UNIX seconds), its evicted keys."""
POLL_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 1.0
"""Pause after a look that failed: the gateway is not ready until one succeeds."""
RECENT_SECONDS: Final = 3_600.0
"""How long after a loss an operation that is not found may have been lost."""


@dataclass(slots=True)
class RedisLosses:
    """Record which Redis nodes are known, and since when.

    A node that was restarted, emptied or promoted has a new identity. A system that has just been
    installed looks as after a loss.
    """

    redis: Any
    clock: Callable[[], float] = time.time
    """UNIX seconds."""
    outages: Outages = OUTAGES
    """Where failing looks are registered."""
    last: float = float("-inf")
    """When the last loss was noticed, as of the last look (UNIX seconds)."""

    async def watch(self) -> None:
        """Look every `POLL_SECONDS`; run as a task, never returns.

        A look that fails is registered, and repeated soon, whatever the error is.
        """
        while True:
            looked = await attempt("losses of Redis", self.look, outages=self.outages)
            await asyncio.sleep(POLL_SECONDS if looked else RETRY_SECONDS)

    async def is_recent(self) -> bool:
        """Look now; return whether outcomes may have been lost a short time ago.

        Raises:
            RedisError: Redis is unavailable.
        """
        await self.look()
        return self.clock() - self.last < RECENT_SECONDS

    def happened_after(self, age: float) -> bool:
        """Return whether data was lost after something was stored `age` seconds ago."""
        return self.clock() - age < self.last

    async def look(self) -> None:
        """Compare the nodes with those that are known, and record new ones."""
        nodes = await identities(self.redis)
        known = await self.redis.hgetall(KEY)
        times = [await self._since(node, known.get(node.key.encode())) for node in nodes]
        self.last = max(times)
        gone = set(known) - {node.key.encode() for node in nodes}
        if gone:
            await self.redis.hdel(KEY, *gone)

    async def _since(self, node: NodeIdentity, stored: bytes | None) -> float:
        """Return when the node was first seen, or evicted keys."""
        since, _, evicted = (stored or b"").decode().partition(",")
        if stored is not None and int(evicted) == node.evicted_keys and node.is_primary:
            return float(since)
        now = self.clock()
        if node.is_primary:
            await self.redis.hset(KEY, node.key, f"{now:.3f},{node.evicted_keys}")
        return now
