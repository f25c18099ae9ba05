"""Keeps read models equal to the fold of the log: applied once, in order, gaps filled."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Generic, TypeVar

from redis.exceptions import NoScriptError

from chassis.event_store import Commit, EventStore, History
from chassis.projection import DOCUMENT, ReadModel
from chassis.read_models import (
    Place,
    all_generations,
    control_key,
    document_place,
    shared_place,
)
from contracts.messages import Event

E = TypeVar("E", bound=Event)

_APPLY = files("chassis").joinpath("apply.lua").read_text()
_APPLY_SHA = hashlib.sha1(_APPLY.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Target(Generic[E]):
    """One generation of one read model."""

    service: str
    model: ReadModel[E]
    generation: int

    def place(self, stream: str) -> Place:
        find = shared_place if self.model.shared else document_place
        return find(self.service, self.model.name, self.generation, stream)


@dataclass(frozen=True, slots=True)
class Change:
    """One call of apply.lua."""

    place: Place
    start: int
    last: int
    arguments: tuple[str | bytes, ...]


@dataclass(slots=True)
class Counts:
    """What projecting came to."""

    applied: int = 0
    duplicates: int = 0
    gaps: int = 0


@dataclass(slots=True)
class Projector(Generic[E]):
    """Projects commits into every generation that is served or being built.

    The generations are read in the same round trip as the write and *after* the append. So an
    append that a rebuild's scan may have missed is always written into the generation that the
    rebuild announced before it began to scan; no instance need be waited for.
    """

    redis: Any
    store: EventStore[E]
    service: str
    models: Sequence[ReadModel[E]]
    counts: Counts = field(default_factory=Counts)
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a generation that should be there is not: somebody emptied Redis."""
    _targets: frozenset[tuple[str, int]] = frozenset()

    async def project(self, history: History[E]) -> None:
        """Bring the stream's read models to the head of `history`."""
        written: frozenset[tuple[str, int]] = frozenset()
        wanted = self._targets
        while True:
            control, gaps = await self._write(wanted - written, history)
            for target in gaps:
                await self.catch_up(target, history.head.stream)
            written |= wanted
            self._targets = wanted = frozenset(all_generations(control))
            self._notice_loss()
            if wanted <= written:
                return

    async def catch_up(self, target: Target[E], stream: str) -> None:
        """Fill a gap: fold what the store holds beyond the read model, and apply it."""
        place = target.place(stream)
        while True:
            version, base = await self._standing(target, place)
            history = await self.store.load(stream, after=version)
            change = _change(target, history, base)
            if change is None:
                return
            (status,) = await self.apply([change])
            if status != b"gap":  # else another instance was faster: look again
                return

    async def project_commits(self, target: Target[E], commits: Iterable[Commit[E]]) -> None:
        """Bring pieces of many streams, in any order, into one generation."""
        changes, behind = [], []
        for stream, its in _by_stream(commits).items():
            history = _from_the_beginning(its)
            change = None if history is None else _change(target, history, None)
            if change is None:
                behind.append(stream)
            else:
                changes.append(change)
        await self.apply(changes)
        for stream in behind:
            await self.catch_up(target, stream)

    async def apply(self, changes: Sequence[Change]) -> list[bytes]:
        """One round trip for all changes; answers `applied`, `duplicate` or `gap` for each."""
        if not changes:
            return []
        _, statuses = await self._pipeline(changes)
        return statuses

    def target(self, name: str, generation: int) -> Target[E] | None:
        """None: another version of the service owns that read model."""
        for model in self.models:
            if model.name == name:
                return Target(self.service, model, generation)
        return None

    async def _write(
        self, wanted: frozenset[tuple[str, int]], history: History[E]
    ) -> tuple[dict[bytes, bytes], list[Target[E]]]:
        """Read the control hash and apply to `wanted` in one round trip; returns the gaps."""
        targets = [t for name, number in wanted if (t := self.target(name, number)) is not None]
        if history.after:  # folded from a snapshot on: the documents' base is in Redis
            control, _ = await self._pipeline([])
            return control, targets
        changes = [_change(target, history, None) for target in targets]
        control, _ = await self._pipeline([c for c in changes if c is not None])
        return control, []  # a history from the beginning closes its gaps itself

    async def _pipeline(self, changes: Sequence[Change]) -> tuple[dict[bytes, bytes], list[bytes]]:
        pipe = self.redis.pipeline(transaction=False)
        pipe.hgetall(control_key(self.service))
        for change in changes:
            place = change.place
            pipe.evalsha(
                _APPLY_SHA, 2, place.version_key, place.data_key, place.version_field,
                change.start, change.last, *change.arguments,
            )  # fmt: skip
        try:
            control, *answers = await pipe.execute()
        except NoScriptError:  # a restart or failover emptied the script cache
            await self.redis.script_load(_APPLY)
            return await self._pipeline(changes)
        statuses = [status for status, _ in answers]
        self.counts.applied += statuses.count(b"applied")
        self.counts.duplicates += statuses.count(b"duplicate")
        self.counts.gaps += statuses.count(b"gap")
        return control, statuses

    async def _standing(self, target: Target[E], place: Place) -> tuple[int, bytes | None]:
        if target.model.shared:
            return int(await self.redis.hget(place.version_key, place.version_field) or 0), None
        version, base = await self.redis.hmget(place.data_key, place.version_field, DOCUMENT)
        return int(version or 0), base

    def _notice_loss(self) -> None:
        present = {name for name, _ in self._targets}
        if any(model.name not in present for model in self.models):
            self.lost.set()


def _change(target: Target[E], history: History[E], base: bytes | None) -> Change | None:
    if history.head.version <= history.after:
        return None
    arguments: list[str | bytes] = []
    for name, value in target.model.changes(history.events, base).items():
        arguments += ["-", name] if value is None else ["+", name, value]
    place = target.place(history.head.stream)
    return Change(place, history.after, history.head.version, tuple(arguments))


def _by_stream(commits: Iterable[Commit[E]]) -> dict[str, dict[int, Commit[E]]]:
    """The commits of each stream by their first version: pages may repeat them."""
    streams: dict[str, dict[int, Commit[E]]] = {}
    for commit in commits:
        streams.setdefault(commit.stream, {})[commit.first] = commit
    return streams


def _from_the_beginning(commits: Mapping[int, Commit[E]]) -> History[E] | None:
    """All of these commits in order; None if one is missing before or between them.

    A page with a hole may hold the last piece of a stream whose other pieces came earlier: it
    must lead to a look into the store, not be cut off at the hole.
    """
    ordered = tuple(commits[first] for first in sorted(commits))
    ends = (0, *(commit.last for commit in ordered))
    if any(commit.first != end + 1 for end, commit in zip(ends, ordered, strict=False)):
        return None
    return History(ordered[-1].head, ordered)
