"""Looks at read models from outside: how far behind they are, and whether they are right."""

import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from chassis.event_store import Commit
from chassis.projection import DOCUMENT
from chassis.projector import Projector, Target
from chassis.read_models import Generation, control_key, generations, parked_key
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

    @property
    def whole(self) -> bool:
        return not self.behind_streams and not self.different


@dataclass(frozen=True, slots=True)
class State:
    """What Redis says of one read model."""

    name: str
    version: int
    serving: int | None
    building: int | None
    parked: dict[str, str]
    """Stream -> why its events cannot be projected."""

    @property
    def word(self) -> str:
        if self.building is not None:
            return "Rebuilding" if self.serving is not None else "Booting"
        if self.serving is None:
            return "New"
        return "Failed" if self.parked else "Active"


@dataclass(frozen=True, slots=True)
class Inspection(Generic[E]):
    projector: Projector[E]

    async def states(self) -> list[State]:
        redis, service = self.projector.redis, self.projector.service
        known = generations(await redis.hgetall(control_key(service)))
        return [
            await self._state(model.name, model.version, known) for model in self.projector.models
        ]

    async def _state(self, name: str, version: int, known: list[Generation]) -> State:
        numbers = {each.role: each.number for each in known if each.name == name}
        parked: dict[str, str] = {}
        for number in {numbers.get("serving"), numbers.get("building")} - {None}:
            key = parked_key(self.projector.service, name, int(number or 0))
            rows = await self.projector.redis.hgetall(key)
            parked |= {stream.decode(): why.decode() for stream, why in rows.items()}
        return State(name, version, numbers.get("serving"), numbers.get("building"), parked)

    async def verify(self, name: str, generation: int) -> Parity:
        """Fold every stream anew, without guard or script, and compare with what Redis holds.

        A stream that is written at this moment may be seen as behind; look again.
        """
        target = self.projector.target(name, generation)
        if target is None:
            raise KeyError(name)
        parity = Parity(name, generation)
        async for stream in self._streams():
            await self._compare(target, stream, parity)
        return parity

    async def _compare(self, target: Target[E], stream: str, parity: Parity) -> None:
        place = target.place(stream)
        history = await self.projector.store.load(stream)
        version = int(await self.projector.redis.hget(place.version_key, place.version_field) or 0)
        parity.streams += 1
        parity.events += len(history.events)
        if version < history.head.version:
            parity.behind_streams += 1
            parity.behind_events += history.head.version - version
            parity.lag_seconds = max(parity.lag_seconds, _age(history.commits, version))
        elif not await self._same(target, stream, history.events):
            parity.different.append(stream)

    async def _same(self, target: Target[E], stream: str, events: tuple[E, ...]) -> bool:
        place = target.place(stream)
        expected = dict(target.model.changes(events, None))
        fields = list(expected) or [DOCUMENT]
        stored: list[Any] = await self.projector.redis.hmget(place.data_key, fields)
        return stored == [expected.get(name) for name in fields]

    async def _streams(self) -> AsyncIterator[str]:
        """Every stream, once: at its first commit."""
        async for page in self.projector.store.scan():
            for commit in page.commits:
                if commit.first == 1:
                    yield commit.stream


def _age(commits: Iterable[Commit[E]], version: int) -> float:
    waiting = (commit.origin.at for commit in commits if commit.last > version)
    return max(0.0, time.time() - next(waiting) / 1000)
