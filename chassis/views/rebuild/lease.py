"""Lease the segments of a rebuild, so that each is worked on by one process at a time."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from chassis.views.keys import lease_key
from chassis.views.rebuild.plan import RebuildPlans

LEASE_SECONDS: Final = 10
"""Seconds for which a segment stays with a process that died; each checkpoint renews them."""


@dataclass(frozen=True, slots=True)
class SegmentLeases:
    """Acquire and release the leases on the segments of one rebuild."""

    plans: RebuildPlans
    name: str
    generation: str
    """The generation being built: `<number>.<fold version>`."""

    @contextlib.asynccontextmanager
    async def acquire(self, segment: int) -> AsyncIterator[str | None]:
        """Hold a segment during the context; yield the lease's token, or None if it is taken."""
        token = secrets.token_hex(8)
        key = lease_key(self.plans.service, self.name, segment)
        try:
            acquired = await self.plans.redis.set(key, token, nx=True, ex=LEASE_SECONDS)
            yield token if acquired else None
        finally:  # also if cancelled before the reply: the lease may have been acquired
            await self.plans.release(self.name, self.generation, token, segment)

    async def renew(self, segment: int, token: str) -> None:
        """Renew a lease until cancelled, or until it has another token."""
        key = lease_key(self.plans.service, self.name, segment)
        while await self.plans.redis.get(key) == token.encode():
            await self.plans.redis.expire(key, LEASE_SECONDS)
            await asyncio.sleep(LEASE_SECONDS / 3)


async def any_leased(plans: RebuildPlans, name: str, segments: list[int]) -> bool:
    """Return whether a process holds one of these segments."""
    keys = [lease_key(plans.service, name, segment) for segment in segments]
    held = [await plans.redis.exists(key) for key in keys]
    return any(held)
