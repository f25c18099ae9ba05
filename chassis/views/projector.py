"""Keep read models equal to the fold of the log: apply each event once, in order, without gaps.

`chassis.views.generations` states which generations are written.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import structlog

from chassis.log.event_store import EventStore, History, Page, UnknownEvent
from chassis.log.slices import SLICE, slices
from chassis.resilience.failpoint import failpoint
from chassis.views.change import (
    APPLY,
    Change,
    FoldFailed,
    Position,
    ProjectionCounts,
    Target,
    build_change,
    build_replacement,
)
from chassis.views.generations import Share
from chassis.views.keys import control_key, pending_key
from chassis.views.pages import histories_of_page
from chassis.views.parked import ParkedStreams
from chassis.views.projection import ReadModel, Stored
from chassis.views.recent import RecentStreams
from chassis.views.stored import READ_STORED, read_stored, stored_at
from contracts.messages import Event

E = TypeVar("E", bound=Event)

SHORT: Final = 100
"""Commits of a stream that are folded from the first event at every command, if they hold no more
events than a slice."""
_SETTLED: Final = (b"applied", b"duplicate")
"""Statuses after which a read model holds the change."""

log = structlog.get_logger(__name__)


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
    _share: Share = field(init=False)
    _versions: dict[str, int] = field(init=False)
    """Read model -> version of its fold."""
    _known: dict[tuple[str, int], Target[E]] = field(default_factory=dict)
    """(read model, number of the generation) -> target, once it has been looked up."""

    def __post_init__(self) -> None:
        self._versions = {model.name: model.version for model in self.models}
        self._share = Share.of({}, self._versions)

    async def project(self, history: History[E]) -> None:
        """Bring the stream's read models to the head of `history`.

        Raises:
            RedisError: Redis cannot be reached; projecting again is harmless.
        """
        self.recent.add(history.head.stream, history.head.version)
        written: frozenset[tuple[str, int]] = frozenset()
        wanted = self._targets
        while True:
            targets = [t for each in wanted - written if (t := self.target(*each)) is not None]
            control = await self.write(targets, history)
            written |= wanted
            self._targets = wanted = self.writable(control)
            if wanted <= written:
                await self._record_pending(control, history)
                if history.commits:
                    self.lag_seconds = max(0.0, time.time() - history.commits[-1].origin.at / 1000)
                return

    async def write(self, targets: Sequence[Target[E]], history: History[E]) -> dict[bytes, bytes]:
        """Bring the targets to the head of `history`; return the control hash, read meanwhile.

        A short history is folded from the first event and applied in one round trip. A longer one
        continues from what is stored, which takes another round trip.
        """
        if history.complete and len(history.commits) <= SHORT and history.size <= SLICE:
            built: list[tuple[Target[E], Change]] = []
            async for some in slices(targets, weigh=lambda _target: history.size):
                changes = [(t, await self._change_or_park(t, history)) for t in some]
                built += [(target, change) for target, change in changes if change]
            control, statuses = await self._read_control_and_apply([change for _, change in built])
            behind = _unsettled(built, statuses)
        else:
            control, behind = await self._continue(targets, history)
        for target in behind:
            await self.catch_up(target, history.head.stream, history)
        return control

    async def catch_up(
        self, target: Target[E], stream: str, history: History[E] | None = None
    ) -> bool:
        """Bring a read model to the head of a stream's log, from whatever it holds of the stream.

        It continues from what is stored, or replaces it if the log holds another history, as after
        a restore from a backup. `history` saves loading what it holds. Returns False if the stream
        was parked.
        """
        while True:
            found = await self._position(target, stream)
            try:
                lacking = await self._since(found, stream, history)
                if lacking is None:
                    status = await self._replace(target, found, stream)
                else:
                    status = await self._advance(target, found, lacking)
            except (UnknownEvent, FoldFailed) as error:
                await self._park(target, stream, error)
                return False
            if status in _SETTLED:
                return True
            history = None  # another instance was faster: look again

    async def project_page(
        self, target: Target[E], page: Page[E], counts: ProjectionCounts
    ) -> None:
        """Project the commits of a scanned page into one generation, and add to `counts`."""
        changes: dict[str, Change] = {}
        incomplete: dict[str, History[E] | None] = {}
        for stream, because in page.unreadable:
            await self._park(target, stream, UnknownEvent(because))
        async for some in slices([*histories_of_page(page.commits)], weigh=_weight):
            for stream, history in some:
                if history is None or history.size > SLICE:
                    incomplete[stream] = history
                elif (change := await self._change_or_park(target, history)) is not None:
                    changes[stream] = change
        failpoint("mid_page")
        statuses = await self.apply([*changes.values()])
        counts.add(statuses)
        for stream, status in zip(changes, statuses, strict=True):
            if status not in (*_SETTLED, b"ahead"):  # ahead: live projection was faster
                await self.catch_up(target, stream)
        for stream, history in incomplete.items():
            counts.gaps += await self.catch_up(target, stream, history)

    async def apply(self, changes: Sequence[Change]) -> list[bytes]:
        """Apply changes in one round trip; return the status of each, see apply.lua."""
        if not changes:
            return []
        _, statuses = await self._read_control_and_apply(changes)
        return statuses

    def target(self, name: str, generation: int) -> Target[E] | None:
        """Return a generation as a target, or None if this service has no such read model."""
        target = self._known.get((name, generation))
        if target is None:
            model = next((model for model in self.models if model.name == name), None)
            if model is None:
                return None
            target = self._known[name, generation] = Target(self.service, model, generation)
        return target

    def writable(self, control: Mapping[bytes, bytes]) -> frozenset[tuple[str, int]]:
        """Return (read model, number) of the generations that the folds of this process write.

        Sets `generations_lost` if a read model has no generation at all.
        """
        share = self._share_of(control)
        if share.is_missing:
            self.generations_lost.set()
        return share.written

    @property
    def parked(self) -> ParkedStreams:
        """The parked streams of this service."""
        return ParkedStreams(self.redis, self.service)

    async def _continue(
        self, targets: Sequence[Target[E]], history: History[E]
    ) -> tuple[dict[bytes, bytes], list[Target[E]]]:
        """Apply the last commit of `history` to what is stored of the commits before it.

        Returns the control hash, and the targets that hold something else.
        """
        if not history.commits:
            control, _ = await self._read_control_and_apply([])
            return control, [*targets]
        last = History(history.head, history.commits[-1:], history.commits[-1].first - 1)
        control, found = await self._read_control_and_stored(targets, last)
        built: list[tuple[Target[E], Change]] = []
        behind: list[Target[E]] = []
        every = [*zip(targets, found, strict=True)]
        async for some in slices(every, weigh=lambda _target: last.size):
            for target, (position, stored) in some:
                if position == Position(history.head.version, history.fingerprint):
                    self.counts.duplicates += 1
                elif position.version != last.after or not _holds(history, position):
                    behind.append(target)
                elif change := await self._change_or_park(target, last, stored, position):
                    built.append((target, change))
        statuses = await self.apply([change for _, change in built])
        return control, behind + _unsettled(built, statuses)

    async def _read_control_and_stored(
        self, targets: Sequence[Target[E]], history: History[E]
    ) -> tuple[dict[bytes, bytes], list[tuple[Position, Stored]]]:
        """Read the control hash, and of each target the position and the fields it needs."""
        stream, events = history.head.stream, history.events
        needed = [tuple(target.model.needs(stream, events)) for target in targets]
        reads = [read_stored(t, stream, f) for t, f in zip(targets, needed, strict=True)]
        control, *found = await READ_STORED.run_together(
            self.redis, [("HGETALL", control_key(self.service)), *reads]
        )
        return control, [stored_at(f, values) for f, values in zip(needed, found, strict=True)]

    async def _read_control_and_apply(
        self, changes: Sequence[Change]
    ) -> tuple[dict[bytes, bytes], list[bytes]]:
        commands = [("HGETALL", control_key(self.service)), *(c.command() for c in changes)]
        control, *statuses = await APPLY.run_together(self.redis, commands)
        self.counts.add(statuses)
        return control, statuses

    async def _position(self, target: Target[E], stream: str) -> Position:
        """Return the position of a stream that a read model holds."""
        position, _ = await self._read(target, stream, ())
        return position

    async def _since(
        self, found: Position, stream: str, history: History[E] | None
    ) -> History[E] | None:
        """Return what the log holds after a position, or None if it holds another history."""
        if history is not None and _holds(history, found):
            since = history.since(found.version)
            if since is not None:
                return since
        if found.fingerprint:  # load the commit at the position as well, and compare it
            loaded = await self.store.load(stream, after=found.first - 1)
            return loaded.since(found.version) if _holds(loaded, found) else None
        loaded = await self.store.load(stream, after=found.version)
        if loaded.commits:
            return loaded if loaded.commits[0].first == found.version + 1 else None
        return loaded if (await self.store.head(stream)).version >= found.version else None

    async def _advance(self, target: Target[E], base: Position, history: History[E]) -> bytes:
        """Fold and apply a history that begins at `base`, slice by slice; return the status."""
        async for commits in slices(history.commits, weigh=lambda commit: commit.size):
            part = History(commits[-1].head, tuple(commits), base.version)
            position, stored = await self._stored(target, part)
            if position != base:
                return b"gap"
            change = build_change(target, part, stored, base)
            if change is not None and (status := (await self.apply([change]))[0]) not in _SETTLED:
                return status
            base = Position(part.head.version, part.fingerprint)
        return b"applied"

    async def _replace(self, target: Target[E], found: Position, stream: str) -> bytes:
        """Replace what is stored of a stream by the fold of its log; return the status."""
        history = await self.store.load(stream)
        at = target.location(stream)
        if target.model.shared:
            position, stored = await self._stored(target, history)
        else:
            every = await self.redis.hgetall(at.data_key)
            own = {at.version_field, at.fingerprint_field}
            version, fingerprint = at.version_field.encode(), at.fingerprint_field.encode()
            position = Position.stored(every.get(version), every.get(fingerprint))
            stored = {n.decode(): v for n, v in every.items() if n.decode() not in own}
        if position != found:
            return b"gap"
        change = await build_replacement(target, history, found, stored)
        (status,) = await self.apply([change])
        log.warning(
            "read_model_replaced",
            read_model=target.model.name,
            generation=target.generation,
            stream=stream,
            stored=found.version,
            head=history.head.version,
            status=status.decode(),
        )
        return status

    async def _stored(self, target: Target[E], history: History[E]) -> tuple[Position, Stored]:
        """Return the position, and the fields the read model needs to fold this history."""
        stream = history.head.stream
        return await self._read(target, stream, tuple(target.model.needs(stream, history.events)))

    async def _read(
        self, target: Target[E], stream: str, fields: Sequence[str]
    ) -> tuple[Position, Stored]:
        """Return the position of a stream, and these fields at it."""
        command = read_stored(target, stream, fields)
        (values,) = await READ_STORED.run_together(self.redis, [command])
        return stored_at(fields, values)

    async def _change_or_park(
        self,
        target: Target[E],
        history: History[E],
        stored: Stored | None = None,
        base: Position | None = None,
    ) -> Change | None:
        """Build a change; return None if there is none, or the fold failed."""
        try:
            return build_change(target, history, stored or {}, base)
        except FoldFailed as error:
            await self._park(target, history.head.stream, error)
            return None

    async def _park(self, target: Target[E], stream: str, error: UnknownEvent | FoldFailed) -> None:
        await self.parked.park(target.model.name, target.generation, stream, error)

    async def _record_pending(self, control: Mapping[bytes, bytes], history: History[E]) -> None:
        """Record the stream for instances with other fold versions; usually there are none."""
        for name, version in self._share_of(control).by_others:
            key = pending_key(self.service, name, version)
            await self.redis.hset(key, history.head.stream, history.head.version)

    def _share_of(self, control: Mapping[bytes, bytes]) -> Share:
        """Read a control hash, which is nearly always the one that was read before."""
        if control != self._share.control:
            self._share = Share.of(control, self._versions)
        return self._share


def _weight(of_page: tuple[str, History[E] | None]) -> int:
    """Return how many events of a page a stream has; 0 if it is loaded later."""
    _, history = of_page
    return 0 if history is None else history.size


def _unsettled(
    built: Sequence[tuple[Target[E], Change]], statuses: Sequence[bytes]
) -> list[Target[E]]:
    """Return the targets whose change was neither applied nor a duplicate."""
    return [t for (t, _), status in zip(built, statuses, strict=True) if status not in _SETTLED]


def _holds(history: History[E], position: Position) -> bool:
    """Return whether a position is one of this history, as far as its fingerprint shows."""
    if position.version == 0 or not position.fingerprint:
        return True
    return history.fingerprint_at(position.version) == position.fingerprint
