"""Keep read models equal to the fold of the log: apply each event once, in order, without gaps.

`chassis.views.generations` states which generations are written.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from chassis.log.event_store import EventStore, History, Page, UnknownEvent
from chassis.resilience.failpoint import failpoint
from chassis.views.change import (
    APPLY,
    Change,
    FoldFailed,
    ProjectionCounts,
    Target,
    build_change,
)
from chassis.views.generations import parse_generations, written_by, written_by_others
from chassis.views.keys import control_key, pending_key
from chassis.views.pages import histories_of_page
from chassis.views.parked import ParkedStreams
from chassis.views.projection import ReadModel, Stored
from chassis.views.recent import RecentStreams
from contracts.messages import Event

E = TypeVar("E", bound=Event)


@dataclass(slots=True)
class Projector(Generic[E]):
    """Project commits into every generation that is served, being built or kept for a rollback."""

    redis: Any
    store: EventStore[E]
    service: str
    models: Sequence[ReadModel[E]]
    counts: ProjectionCounts = field(default_factory=ProjectionCounts)
    lag_seconds: float = 0.0
    """Seconds from the append of the commit that was projected last to its read models."""
    generations_lost: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a read model has no generation at all, as after Redis was emptied."""
    recent: RecentStreams = field(default_factory=RecentStreams)
    """Streams that this process has projected lately."""
    _targets: frozenset[tuple[str, int]] = frozenset()

    async def project(self, history: History[E]) -> None:
        """Bring the stream's read models to the head of `history`.

        Raises:
            RedisError: Redis cannot be reached; projecting again is harmless.
        """
        self.recent.add(history.head.stream, history.head.version)
        written: frozenset[tuple[str, int]] = frozenset()
        wanted = self._targets
        while True:
            control, gaps = await self._write(wanted - written, history)
            for target in gaps:
                await self.catch_up(target, history.head.stream)
            written |= wanted
            self._targets = wanted = self.writable(control)
            if wanted <= written:
                await self._record_pending(control, history)
                if history.commits:
                    self.lag_seconds = max(0.0, time.time() - history.commits[-1].origin.at / 1000)
                return

    async def catch_up(self, target: Target[E], stream: str) -> bool:
        """Fill a gap: fold and apply the stored events that the read model lacks.

        Returns False if the stream was parked.
        """
        location = target.location(stream)
        while True:
            version = int(await self.redis.hget(location.version_key, location.version_field) or 0)
            try:
                history = await self.store.load(stream, after=version)
                change = build_change(target, history, await self._stored(target, history))
            except (UnknownEvent, FoldFailed) as error:
                await self._park(target, stream, error)
                return False
            if change is None:
                return True
            (status,) = await self.apply([change])
            if status != b"gap":  # otherwise another instance was faster: look again
                return True

    async def project_page(
        self, target: Target[E], page: Page[E], counts: ProjectionCounts
    ) -> None:
        """Project the commits of a scanned page into one generation, and add to `counts`."""
        changes, incomplete = [], []
        for stream, because in page.unreadable:
            await self._park(target, stream, UnknownEvent(because))
        for stream, history in histories_of_page(page.commits):
            if history is None:
                incomplete.append(stream)
            elif (change := await self._change_or_park(target, history)) is not None:
                changes.append(change)
        failpoint("mid_page")
        counts.add(await self.apply(changes))
        for stream in incomplete:
            counts.gaps += await self.catch_up(target, stream)

    async def apply(self, changes: Sequence[Change]) -> list[bytes]:
        """Apply changes in one round trip; return `applied`, `duplicate` or `gap` for each."""
        if not changes:
            return []
        _, statuses = await self._read_control_and_apply(changes)
        return statuses

    def target(self, name: str, generation: int) -> Target[E] | None:
        """Return a generation as a target, or None if this service has no such read model."""
        for model in self.models:
            if model.name == name:
                return Target(self.service, model, generation)
        return None

    def writable(self, control: Mapping[bytes, bytes]) -> frozenset[tuple[str, int]]:
        """Return (read model, number) of the generations that the folds of this process write.

        Sets `generations_lost` if a read model has no generation at all.
        """
        generations = parse_generations(control)
        present = {each.name for each in generations}
        if any(model.name not in present for model in self.models):
            self.generations_lost.set()
        return written_by(self._versions, generations)

    @property
    def parked(self) -> ParkedStreams:
        """The parked streams of this service."""
        return ParkedStreams(self.redis, self.service)

    async def _write(
        self, wanted: frozenset[tuple[str, int]], history: History[E]
    ) -> tuple[dict[bytes, bytes], list[Target[E]]]:
        """Read the control hash and apply to `wanted` in one round trip; return the gaps."""
        targets = [t for name, number in wanted if (t := self.target(name, number)) is not None]
        if history.after:  # loaded from a snapshot on: the base of its fold is in Redis
            control, _ = await self._read_control_and_apply([])
            return control, targets
        changes = [await self._change_or_park(target, history) for target in targets]
        control, _ = await self._read_control_and_apply([c for c in changes if c is not None])
        return control, []  # a history from the first event leaves no gap

    async def _read_control_and_apply(
        self, changes: Sequence[Change]
    ) -> tuple[dict[bytes, bytes], list[bytes]]:
        commands = [("HGETALL", control_key(self.service)), *(c.command() for c in changes)]
        control, *statuses = await APPLY.run_together(self.redis, commands)
        self.counts.add(statuses)
        return control, statuses

    async def _stored(self, target: Target[E], history: History[E]) -> Stored:
        """Return the stored fields that the read model needs to fold this history."""
        stream = history.head.stream
        fields = target.model.needs(stream, history.events)
        if not fields or not history.after:
            return {}
        values = await self.redis.hmget(target.location(stream).data_key, fields)
        return {name: v for name, v in zip(fields, values, strict=True) if v is not None}

    async def _change_or_park(self, target: Target[E], history: History[E]) -> Change | None:
        """Build the change of a complete history; None if there is none or the fold failed."""
        try:
            return build_change(target, history, {})
        except FoldFailed as error:
            await self._park(target, history.head.stream, error)
            return None

    async def _park(self, target: Target[E], stream: str, error: UnknownEvent | FoldFailed) -> None:
        await self.parked.park(target.model.name, target.generation, stream, error)

    async def _record_pending(self, control: Mapping[bytes, bytes], history: History[E]) -> None:
        """Record the stream for instances with other fold versions; usually there are none."""
        for name, version in written_by_others(self._versions, parse_generations(control)):
            key = pending_key(self.service, name, version)
            await self.redis.hset(key, history.head.stream, history.head.version)

    @property
    def _versions(self) -> dict[str, int]:
        return {model.name: model.version for model in self.models}
