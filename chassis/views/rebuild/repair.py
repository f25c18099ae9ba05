"""Project again what a Redis node lost: recent streams from memory, all others by their heads."""

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, TypeVar

from chassis.log.event_store import UnknownEvent
from chassis.views.change import Target
from chassis.views.generations import Generation, parse_generations
from chassis.views.inspection import Inspection
from chassis.views.keys import control_key, pending_key, plan_key
from chassis.views.projector import SHORT, Projector
from chassis.views.rebuild.parallel import together
from contracts.messages import Event

E = TypeVar("E", bound=Event)
T = TypeVar("T")

SEGMENTS: Final = 4
"""Segments of the log that are swept in parallel."""
PARALLEL_STREAMS: Final = 16
"""Streams that are projected at the same time."""
_CHUNK: Final = 1_000
"""Streams whose projected versions are compared in one round trip."""

Heads = Mapping[str, tuple[int, int]]
"""Stream -> its last version and that commit's time in milliseconds."""


@dataclass(slots=True)
class RepairCounts:
    """Count what a repair found."""

    streams: int = 0
    """Streams whose projected version was compared."""
    repaired: int = 0
    """Projections of a stream that lagged, and were brought to its head."""
    left_to_others: int = 0
    """Projections that lag and that only instances with another fold version can repair."""


@dataclass(frozen=True, slots=True)
class Repair(Generic[E]):
    """Compare the projected versions of streams with their heads, and project those that lag."""

    projector: Projector[E]

    async def recent(self) -> RepairCounts:
        """Repair the streams that this process has projected lately."""
        counts = RepairCounts()
        versions = iter(self.projector.recent.versions().items())
        while chunk := dict(islice(versions, _CHUNK)):
            await self._repair({s: (version, 0) for s, version in chunk.items()}, counts)
        return counts

    async def all_heads(self) -> RepairCounts:
        """Repair all streams of the log; scans its heads, unless there is nothing to compare."""
        counts = RepairCounts()
        if not await self._generations():
            return counts
        await together(range(SEGMENTS), lambda segment: self._sweep(segment, counts), SEGMENTS)
        return counts

    async def _sweep(self, segment: int, counts: RepairCounts) -> None:
        heads = self.projector.store.scan_heads(segment=segment, segments=SEGMENTS)
        async for page in heads:
            await self._repair(page.heads, counts)

    async def _repair(self, heads: Heads, counts: RepairCounts) -> None:
        counts.streams += len(heads)
        inspection = Inspection(self.projector)
        behind: dict[str, list[Target[E]]] = defaultdict(list)
        for generation in await self._generations():
            target = self.projector.target(generation.name, generation.number)
            if target is None:  # a read model that this build does not have
                continue
            lagging = await inspection.lagging(target, heads)
            if generation.version == target.model.version:
                counts.repaired += len(lagging)
                for stream in lagging:
                    behind[stream].append(target)
            else:
                counts.left_to_others += len(lagging)
                await self._leave_to_others(generation, {s: heads[s][0] for s in lagging})
        await together(
            behind,
            lambda stream: self._catch_up(stream, heads[stream][0], behind[stream]),
            PARALLEL_STREAMS,
        )

    async def _catch_up(self, stream: str, version: int, targets: Sequence[Target[E]]) -> None:
        """Bring read models to the head of a stream; a short one is loaded once for all of them."""
        if version <= SHORT:
            with contextlib.suppress(UnknownEvent):  # each read model parks the stream, below
                await self.projector.write(targets, await self.projector.store.load(stream))
                return
        for target in targets:
            await self.projector.catch_up(target, stream)

    async def _leave_to_others(self, generation: Generation, versions: Mapping[str, int]) -> None:
        """Record streams for the instances whose fold version writes the generation."""
        if versions:
            key = pending_key(self.projector.service, generation.name, generation.version)
            await self.projector.redis.hset(key, mapping=versions)

    async def _generations(self) -> list[Generation]:
        """Return the generations to repair.

        One whose log is still being scanned is left out: the sweeps that follow its scan repair it.
        """
        redis, service = self.projector.redis, self.projector.service
        generations = parse_generations(await redis.hgetall(control_key(service)))
        return [
            each
            for each in generations
            if each.role != "building"
            or await redis.hget(plan_key(service, each.name), "pass") != b"1"
        ]
