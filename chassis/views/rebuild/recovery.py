"""Notice that Redis lost or rolled back data, and make the read models equal to the log again.

1.  Every instance compares the identities of the Redis nodes with those that it saw last. On a
    change it repairs the streams that it projected lately: the node may lack any of these writes.
2.  While a node is not verified, readers do not take an absent value for an answer (503). One
    instance, under a lease, compares all heads of the log with the projected versions, repairs what
    lags, and then stores as verified the identities that it saw at the beginning. If a node changed
    meanwhile, its new identity is not among them, and the next look starts over.
3.  If keys were evicted, or single keys are missing, versions prove nothing: everything is rebuilt.
"""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import structlog

from chassis.views.identity import (
    NodeIdentity,
    Verified,
    VerifiedNodes,
    ensure_no_eviction,
    evicts_read_models,
    identities,
    maxmemory_policies,
)
from chassis.views.projector import Projector
from chassis.views.rebuild.control import RebuildControl
from chassis.views.rebuild.lease import SegmentLeases
from chassis.views.rebuild.parallel import together
from chassis.views.rebuild.partial_loss import PartialLoss
from chassis.views.rebuild.plan import NewerVersion, RebuildInterrupted
from chassis.views.rebuild.repair import Repair
from chassis.views.rebuild.run import Rebuilder
from chassis.views.rebuild.shared_scan import SharedScan
from contracts.messages import Event

E = TypeVar("E", bound=Event)

FULL_CHECK_ROUNDS: Final = 60
"""Looks between two comparisons of entries with their boards."""
MOST_BACKOFF_SECONDS: Final = 300.0
"""Longest time between two rebuilds because of evictions that go on."""
_LEASE_NAME: Final = ":recovery"
"""In place of a read model's name, which never contains a colon."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Recovery(Generic[E]):
    """Watch the Redis nodes of one service's read models; one instance per process."""

    projector: Projector[E]
    _current: frozenset[str] | None = None
    """Identities of the nodes as of the last look."""
    _left: set[str] = field(default_factory=set)
    """Identities that were current once: if one returns, it lacks what was written meanwhile."""
    _rounds: int = 0
    _backoff_seconds: float = 0.5
    _rebuild_after: float = 0.0
    """Time of the monotonic clock before which evictions lead to no further rebuild."""
    _partial: PartialLoss = field(init=False)

    def __post_init__(self) -> None:
        self._partial = PartialLoss(self.projector)

    async def look(self) -> None:
        """Check the nodes once, and repair what they lost.

        Raises:
            EvictionPolicy: Redis may evict read models again; an operator has to change that.
            Exception: an error of Redis or of the event store; look again later.
        """
        nodes = await identities(self.projector.redis)
        if not all(node.is_primary for node in nodes):
            self.projector.redis.leave_replica()  # its name may lead to the new primary by now
            nodes = await identities(self.projector.redis)
        if not all(node.is_primary for node in nodes):
            log.warning("redis_is_a_replica", nodes=[node.key for node in nodes])
            return
        await self._nodes.announce()
        await self._notice_change(nodes)
        policies = await maxmemory_policies(self.projector.redis)
        verified = await self._nodes.read()
        reason = await self._reason_to_rebuild(nodes, verified, policies)
        if reason:
            await self._rebuild_everything(nodes, reason)
        elif not verified.covers(nodes):
            await self._verify(nodes)
        elif any(verified.evicted_keys(node) != node.evicted_keys for node in nodes):
            await self._nodes.replace(nodes)  # keys with a time to live were evicted: no read model
        ensure_no_eviction(policies)

    async def _notice_change(self, nodes: Sequence[NodeIdentity]) -> None:
        """Repair this process's recent streams if a node is not the one that it wrote to."""
        found = frozenset(node.key for node in nodes)
        if self._current is not None and found - self._current:
            log.warning("redis_nodes_changed", before=sorted(self._current), now=sorted(found))
            if returned := [node for node in nodes if node.key in self._left]:
                await self._nodes.revoke(returned)
            counts = await Repair(self.projector).recent()
            log.info("recent_streams_repaired", streams=counts.streams, repaired=counts.repaired)
        self._left = (self._left | (self._current or frozenset())) - found
        self._current = found

    async def _verify(self, nodes: Sequence[NodeIdentity]) -> None:
        async with self._lease() as acquired:
            if not acquired or (await self._nodes.read()).covers(nodes):
                return
            counts = await Repair(self.projector).all_heads()
            if not counts.left_to_others:
                await self._nodes.replace(nodes)
            log.info(
                "read_models_verified",
                streams=counts.streams,
                repaired=counts.repaired,
                left_to_others=counts.left_to_others,
            )

    async def _reason_to_rebuild(
        self, nodes: Sequence[NodeIdentity], verified: Verified, policies: set[str]
    ) -> str:
        """Return why versions prove nothing, or an empty text."""
        if verified.lost:
            return verified.lost
        if _evicted(nodes, verified, policies):
            return "keys were evicted"
        lost = await self._partial.missing_hashes()
        if self._rounds % FULL_CHECK_ROUNDS == 0:
            lost += await self._partial.missing_places()
        self._rounds += 1
        return f"keys are missing: {', '.join(sorted(set(lost)))}" if lost else ""

    async def _rebuild_everything(self, nodes: Sequence[NodeIdentity], reason: str) -> None:
        await self._nodes.revoke(nodes, lost=reason)
        if time.monotonic() < self._rebuild_after:
            return
        async with self._lease() as acquired:
            if not acquired or not (await self._nodes.read()).lost:
                return
            log.warning("read_models_lost", because=reason)
            names = [model.name for model in self.projector.models]
            rebuilder = Rebuilder(self.projector, shared=SharedScan(self.projector.store, {*names}))
            try:
                for name in names:
                    await RebuildControl(rebuilder.plans).set_state(name, "cancelled")
                await together(names, rebuilder.rebuild, len(names))
            except (RebuildInterrupted, NewerVersion) as error:
                log.info("rebuild_postponed", because=str(error))
                return
            await self._nodes.replace(nodes)
        self._backoff_seconds = min(2 * self._backoff_seconds, MOST_BACKOFF_SECONDS)
        self._rebuild_after = time.monotonic() + self._backoff_seconds

    @contextlib.asynccontextmanager
    async def _lease(self) -> AsyncIterator[bool]:
        """Hold the lease on recovery, renewed as long as the context is entered."""
        rebuilder = Rebuilder(self.projector)
        leases = SegmentLeases(rebuilder.plans, _LEASE_NAME, "0.0")
        # a lease that was acquired on the old nodes, and came back with a replica, is another one
        number = zlib.crc32(" ".join(sorted(self._current or ())).encode())
        async with leases.acquire(number) as token:
            if token is None:
                yield False
                return
            renewing = asyncio.create_task(leases.renew(number, token), name="recovery-lease")
            try:
                yield True
            finally:
                renewing.cancel()
                await asyncio.wait([renewing])

    @property
    def _nodes(self) -> VerifiedNodes:
        return VerifiedNodes(self.projector.redis, self.projector.service)


def _evicted(nodes: Sequence[NodeIdentity], verified: Verified, policies: set[str]) -> bool:
    """Return whether read models may have been evicted since the nodes were verified."""
    if all(policy.startswith("volatile-") for policy in policies):
        return False
    if any(evicts_read_models(policy) for policy in policies) and not verified.covers(nodes):
        return any(node.evicted_keys for node in nodes)
    before = [verified.evicted_keys(node) for node in nodes]
    return any(
        known is not None and node.evicted_keys > known
        for node, known in zip(nodes, before, strict=True)
    )
