"""Inspect read models: their generations, how far they lag, and whether they equal the log."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from chassis.log.event_store import Commit, UnknownEvent
from chassis.views.change import Target
from chassis.views.generations import Generation, Role, parse_generations
from chassis.views.keys import DOCUMENT_FIELD, board_key, control_key, plan_key
from chassis.views.projection import BoardMember
from chassis.views.projector import Projector
from contracts.messages import Event

E = TypeVar("E", bound=Event)


@dataclass(slots=True)
class ParityReport:
    """Compare a generation with an independent fold of the log."""

    name: str
    generation: int
    streams: int = 0
    events: int = 0
    lagging_streams: int = 0
    lagging_events: int = 0
    """Events that are not projected yet."""
    lag_seconds: float = 0.0
    """Age in seconds of the oldest event that is not projected yet."""
    different: list[str] = field(default_factory=list)
    """Streams that are projected to the right version with the wrong data."""
    unfoldable: list[str] = field(default_factory=list)
    """Streams whose events cannot be read or folded."""

    @property
    def matches(self) -> bool:
        """True if the generation equals the fold of the log."""
        return not self.lagging_streams and not self.different and not self.unfoldable


@dataclass(slots=True)
class ProjectionLag:
    """Describe how far a generation lags the log."""

    streams: int = 0
    lagging_streams: int = 0
    lagging_events: int = 0
    """Events that are not projected yet."""
    seconds: float = 0.0
    """Seconds since the newest event of the stream that has waited longest."""


@dataclass(frozen=True, slots=True)
class GenerationStatus:
    """Describe one generation of a read model, as Redis stores it."""

    name: str
    number: int | None
    """None: no generation exists yet."""
    version: int
    """Version of the fold that writes it."""
    role: Role | None
    state: str
    """`New`, `Booting`, `Verifying`, `Active`, `Retired` (kept for a rollback) or `Failed`."""
    parked: dict[str, str]
    """Parked stream -> why it cannot be projected."""


@dataclass(frozen=True, slots=True)
class Inspection(Generic[E]):
    """Inspect the read models of one service."""

    projector: Projector[E]

    async def statuses(self) -> list[GenerationStatus]:
        """Return every generation of every read model, or state `New` for a model without any."""
        known = parse_generations(await self._redis.hgetall(control_key(self.projector.service)))
        statuses: list[GenerationStatus] = []
        for model in self.projector.models:
            own = sorted((g for g in known if g.name == model.name), key=lambda g: g.number)
            statuses += [await self._status(generation) for generation in own]
            if not own:
                statuses.append(GenerationStatus(model.name, None, model.version, None, "New", {}))
        return statuses

    async def served(self) -> dict[str, int]:
        """Return the number of the served generation of each read model."""
        return {
            status.name: status.number
            for status in await self.statuses()
            if status.role == "serving" and status.number is not None
        }

    async def _status(self, generation: Generation) -> GenerationStatus:
        name, number, role = generation.name, generation.number, generation.role
        parked = await self.projector.parked.errors(name, number)
        state = {"serving": "Active", "previous": "Retired", "building": "Booting"}[role]
        if role == "building":
            key = plan_key(self.projector.service, name)
            pass_number, plan_state = await self._redis.hmget(key, "pass", "state")
            state = "Booting" if pass_number == b"1" else "Verifying"
            state = "Failed" if plan_state == b"failed" else state
        state = "Failed" if parked else state
        return GenerationStatus(name, number, generation.version, role, state, parked)

    async def verify(self, name: str, generation: int) -> ParityReport:
        """Fold every stream independently of the projector, and compare with the content of Redis.

        Raises:
            KeyError: the service has no read model of that name.
        """
        target = self._target(name, generation)
        report = ParityReport(name, generation)
        async for stream in self._streams():
            await self._compare(target, stream, report)
        return report

    async def lag(self, name: str, generation: int) -> ProjectionLag:
        """Return how far a generation lags the log; scans the heads of the entire log.

        Raises:
            KeyError: the service has no read model of that name.
        """
        target = self._target(name, generation)
        lag = ProjectionLag()
        async for page in self.projector.store.scan_heads():
            lag.streams += len(page.heads)
            for stream, version in (await self.lagging(target, page.heads)).items():
                last, at = page.heads[stream]
                lag.lagging_streams += 1
                lag.lagging_events += last - version
                lag.seconds = max(lag.seconds, time.time() - at / 1000)
        return lag

    async def lagging(
        self, target: Target[E], heads: Mapping[str, tuple[int, int]]
    ) -> Mapping[str, int]:
        """Return the streams that are not projected to their head, with their projected version.

        `heads` maps a stream to its last version and that commit's time in milliseconds.
        """
        locations = [target.location(stream) for stream in heads]
        found = await self._redis.execute_many(
            [("HGET", location.version_key, location.version_field) for location in locations]
        )
        versions = [int(version or 0) for version in found]
        return {
            stream: version
            for (stream, (last, _)), version in zip(heads.items(), versions, strict=True)
            if version < last
        }

    async def differs(self, target: Target[E], stream: str) -> bool:
        """Return whether a stream's data is not the fold of the log up to its version."""
        report = ParityReport(target.model.name, target.generation)
        await self._compare(target, stream, report)
        return bool(report.different)

    async def _compare(self, target: Target[E], stream: str, report: ParityReport) -> None:
        while True:
            try:
                history = await self.projector.store.load(stream)
            except UnknownEvent:
                report.unfoldable.append(stream)
                return
            try:
                expected = dict(target.model.changes(stream, history.events, {}))
            except Exception:  # noqa: BLE001  a fold may raise anything; the report names the stream
                report.unfoldable.append(stream)
                return
            version, stored = await self._stored(target, stream, list(expected) or [DOCUMENT_FIELD])
            if version <= history.head.version:
                break  # otherwise it was written since: load it again
        report.streams += 1
        report.events += len(history.events)
        if version < history.head.version:
            report.lagging_streams += 1
            report.lagging_events += history.head.version - version
            report.lag_seconds = max(report.lag_seconds, _age(history.commits, version))
        elif stored != (list(expected.values()) or [None]):
            report.different.append(stream)

    async def _stored(
        self, target: Target[E], stream: str, fields: list[str | BoardMember]
    ) -> tuple[int, list[bytes | float | None]]:
        """Return a stream's projected version and data, read in one transaction."""
        location = target.location(stream)
        pipe = self._redis.pipeline(transaction=True)
        pipe.hget(location.version_key, location.version_field)
        for name in fields:
            if isinstance(name, BoardMember):
                pipe.zscore(board_key(location.data_key, name.board), name.member)
            else:
                pipe.hget(location.data_key, name)
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
        """Yield every stream once: at its first commit, or at the first unreadable one."""
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
    """Return the age in seconds of the oldest commit after a version."""
    waiting = (commit.origin.at for commit in commits if commit.last > version)
    return max(0.0, time.time() - next(waiting) / 1000)
