"""Looks at read models from outside: how far behind they are, and whether they are right."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from chassis.log.event_store import Commit, UnknownEvent
from chassis.views.projection import DOCUMENT, Rank
from chassis.views.projector import Projector, Target
from chassis.views.read_models import (
    Generation,
    Role,
    board_key,
    control_key,
    generations,
    parked_key,
    plan_key,
)
from contracts.messages import Event

E = TypeVar("E", bound=Event)

SHOWN = 10
"""How many streams are named; the rest is counted."""


@dataclass(slots=True)
class Parity:
    """A read model beside an independent fold of the log."""

    name: str
    generation: int
    streams: int = 0
    events: int = 0
    behind_streams: int = 0
    behind_events: int = 0
    lag_seconds: float = 0.0
    """Age of the oldest event that is not projected yet."""
    different: list[str] = field(default_factory=list)
    """Streams whose version is right and whose data is not."""
    unfoldable: list[str] = field(default_factory=list)
    """Streams that the fold, or the codec, cannot take."""

    @property
    def whole(self) -> bool:
        return not self.behind_streams and not self.different and not self.unfoldable


@dataclass(slots=True)
class Lag:
    """How far a read model is behind the log."""

    streams: int = 0
    behind_streams: int = 0
    behind_events: int = 0
    seconds: float = 0.0
    """Since the newest event of the stream that waits longest."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One generation of a read model, as Redis tells of it."""

    name: str
    number: int | None
    """None: there is none yet."""
    version: int
    """Of the fold that writes it."""
    role: Role | None
    word: str
    """`New`, `Booting`, `Verifying`, `Active`, `Retired` (kept for a rollback) or `Failed`."""
    parked: dict[str, str]
    """Stream -> why its events cannot be projected."""


@dataclass(frozen=True, slots=True)
class Inspection(Generic[E]):
    projector: Projector[E]

    async def copies(self) -> list[Copy]:
        """Every generation of every read model; one line for a model that has none."""
        known = generations(await self._redis.hgetall(control_key(self.projector.service)))
        copies: list[Copy] = []
        for model in self.projector.models:
            mine = sorted((g for g in known if g.name == model.name), key=lambda g: g.number)
            copies += [await self._copy(generation) for generation in mine]
            if not mine:
                copies.append(Copy(model.name, None, model.version, None, "New", {}))
        return copies

    async def served(self) -> dict[str, int]:
        """Read model -> the generation that readers get."""
        copies = await self.copies()
        return {c.name: c.number for c in copies if c.role == "serving" and c.number is not None}

    async def _copy(self, generation: Generation) -> Copy:
        name, number, role = generation.name, generation.number, generation.role
        rows = await self._redis.hgetall(parked_key(self.projector.service, name, number))
        parked = {stream.decode(): why.decode() for stream, why in rows.items()}
        word = {"serving": "Active", "previous": "Retired", "building": "Booting"}[role]
        if role == "building":
            key = plan_key(self.projector.service, name)
            number_of_pass, state = await self._redis.hmget(key, "pass", "state")
            word = "Booting" if number_of_pass == b"1" else "Verifying"
            word = "Failed" if state == b"failed" else word
        return Copy(name, number, generation.version, role, "Failed" if parked else word, parked)

    async def verify(self, name: str, generation: int) -> Parity:
        """Fold every stream anew, without guard or script, and compare with what Redis holds."""
        target = self._target(name, generation)
        parity = Parity(name, generation)
        async for stream in self._streams():
            await self._compare(target, stream, parity)
        return parity

    async def lag(self, name: str, generation: int) -> Lag:
        """How far a read model is behind the log; reads the whole log's heads."""
        target = self._target(name, generation)
        lag = Lag()
        async for page in self.projector.store.scan_heads():
            lag.streams += len(page.heads)
            for stream, version in (await self.behind(target, page.heads)).items():
                last, at = page.heads[stream]
                lag.behind_streams += 1
                lag.behind_events += last - version
                lag.seconds = max(lag.seconds, time.time() - at / 1000)
        return lag

    async def behind(
        self, target: Target[E], heads: Mapping[str, tuple[int, int]]
    ) -> Mapping[str, int]:
        """Which of these streams have not come to their heads, and to which version they have."""
        places = [target.place(stream) for stream in heads]
        found = await self._redis.together(
            [("HGET", place.version_key, place.version_field) for place in places]
        )
        versions = [int(version or 0) for version in found]
        return {
            stream: version
            for (stream, (last, _)), version in zip(heads.items(), versions, strict=True)
            if version < last
        }

    async def differs(self, target: Target[E], stream: str) -> bool:
        """Whether a stream's data is not the fold of the log at the version that it claims."""
        parity = Parity(target.model.name, target.generation)
        await self._compare(target, stream, parity)
        return bool(parity.different)

    async def _compare(self, target: Target[E], stream: str, parity: Parity) -> None:
        while True:
            try:
                history = await self.projector.store.load(stream)
            except UnknownEvent:
                parity.unfoldable.append(stream)
                return
            try:
                expected = dict(target.model.changes(stream, history.events, None))
            except Exception:  # noqa: BLE001  whatever a fold raises: the stream is named
                parity.unfoldable.append(stream)
                return
            version, stored = await self._stored(target, stream, list(expected) or [DOCUMENT])
            if version <= history.head.version:
                break  # else it has been written since: load again
        parity.streams += 1
        parity.events += len(history.events)
        if version < history.head.version:
            parity.behind_streams += 1
            parity.behind_events += history.head.version - version
            parity.lag_seconds = max(parity.lag_seconds, _age(history.commits, version))
        elif stored != (list(expected.values()) or [None]):
            parity.different.append(stream)

    async def _stored(
        self, target: Target[E], stream: str, fields: list[str | Rank]
    ) -> tuple[int, list[bytes | float | None]]:
        """Version and data as they stand together."""
        place = target.place(stream)
        pipe = self._redis.pipeline(transaction=True)
        pipe.hget(place.version_key, place.version_field)
        for name in fields:
            if isinstance(name, Rank):
                pipe.zscore(board_key(place.data_key, name.board), name.member)
            else:
                pipe.hget(place.data_key, name)
        version, *stored = await pipe.execute()
        return int(version or 0), stored

    def _target(self, name: str, generation: int) -> Target[E]:
        target = self.projector.target(name, generation)
        if target is None:
            raise KeyError(name)
        return target

    @property
    def _redis(self) -> Any:
        return self.projector.redis

    async def _streams(self) -> AsyncIterator[str]:
        """Every stream, once: at its first commit, or at the first that cannot be read."""
        unreadable: set[str] = set()
        async for page in self.projector.store.scan():
            for stream, _ in page.unreadable:
                if stream not in unreadable:
                    unreadable.add(stream)
                    yield stream
            for commit in page.commits:
                if commit.first == 1 and commit.stream not in unreadable:
                    yield commit.stream


def _age(commits: Iterable[Commit[E]], version: int) -> float:
    waiting = (commit.origin.at for commit in commits if commit.last > version)
    return max(0.0, time.time() - next(waiting) / 1000)
