"""Inspect read models: their generations, how far they lag, and whether they equal the log."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from chassis.log.event_store import Commit, UnknownEvent
from chassis.views.change import Target, fold_in_slices
from chassis.views.generations import Generation, Role, parse_generations
from chassis.views.keys import (
    DOCUMENT_FIELD,
    board_key,
    control_key,
    generation_of,
    keys_of,
    plan_key,
    stream_of,
)
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
    ahead: list[str] = field(default_factory=list)
    """Streams that are projected to a later version than the log has, as after a restore."""
    different: list[str] = field(default_factory=list)
    """Streams that are projected to the right version with the wrong data."""
    unfoldable: list[str] = field(default_factory=list)
    """Streams whose events cannot be read or folded."""

    @property
    def matches(self) -> bool:
        """True if the generation equals the fold of the log."""
        return not (self.lagging_streams or self.ahead or self.different or self.unfoldable)


@dataclass(slots=True)
class ProjectionLag:
    """Describe how far a generation lags the log."""

    streams: int = 0
    lagging_streams: int = 0
    lagging_events: int = 0
    """Events that are not projected yet."""
    ahead_streams: int = 0
    """Streams that are projected to a later version than the log has, as after a restore."""
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
        seen: set[str] = set()
        async for stream in self._streams():
            seen.add(stream)
            await self._compare(target, stream, report)
        report.ahead += [
            stream
            async for stream in self._unknown(target, seen)
            if await self._is_ahead(target, stream)
        ]
        return report

    async def lag(self, name: str, generation: int) -> ProjectionLag:
        """Return how far a generation lags the log; scans the heads of the entire log.

        Raises:
            KeyError: the service has no read model of that name.
        """
        target = self._target(name, generation)
        lag = ProjectionLag()
        seen: set[str] = set()
        async for page in self.projector.store.scan_heads():
            seen.update(page.heads)
            for stream, version in (await self._versions(target, page.heads)).items():
                last, at = page.heads[stream]
                if version < last:
                    lag.lagging_streams += 1
                    lag.lagging_events += last - version
                    lag.seconds = max(lag.seconds, time.time() - at / 1000)
                elif version > last:  # since the page was read, or the log has been restored
                    lag.ahead_streams += await self._is_ahead(target, stream)
        lag.streams = len(seen)
        async for stream in self._unknown(target, seen):
            lag.ahead_streams += await self._is_ahead(target, stream)
        return lag

    async def lagging(
        self, target: Target[E], heads: Mapping[str, tuple[int, int]]
    ) -> Mapping[str, int]:
        """Return the streams that are not projected to their head, with their projected version.

        `heads` maps a stream to its last version and that commit's time in milliseconds.
        """
        versions = await self._versions(target, heads)
        return {
            stream: version for stream, version in versions.items() if version < heads[stream][0]
        }

    async def _versions(self, target: Target[E], streams: Iterable[str]) -> dict[str, int]:
        """Return the projected version of each stream, 0 if it is not projected."""
        streams = list(streams)
        locations = [target.location(stream) for stream in streams]
        found = await self._redis.execute_many(
            [("HGET", location.version_key, location.version_field) for location in locations]
        )
        for reply in found:
            if isinstance(reply, Exception):
                raise reply
        return dict(zip(streams, (int(version or 0) for version in found), strict=True))

    async def _is_ahead(self, target: Target[E], stream: str) -> bool:
        """Return whether a stream's projected version is later than the log's last one.

        The log is read last: a stream that is written meanwhile is not ahead.
        """
        version = (await self._versions(target, [stream]))[stream]
        return version > (await self.projector.store.head(stream)).version

    async def _unknown(self, target: Target[E], seen: set[str]) -> AsyncIterator[str]:
        """Yield each stream that a generation has data of and that is not in `seen`."""
        async for stream in self._projected(target):  # a scan of Redis may repeat itself
            if stream not in seen:
                seen.add(stream)
                yield stream

    async def _projected(self, target: Target[E]) -> AsyncIterator[str]:
        """Yield the streams that a generation has data of, some of them more than once."""
        if target.model.shared:
            async for field_, _ in self._redis.hscan_iter(target.location("").version_key):
                yield field_.decode()
            return
        async for key in keys_of(self._redis, target.service, target.model.name):
            if generation_of(key) == target.generation:
                yield stream_of(key)

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
                expected = await fold_in_slices(target.model, history)
            except Exception:  # noqa: BLE001  a fold may raise anything; the report names the stream
                report.unfoldable.append(stream)
                return
            version, stored = await self._stored(target, stream, list(expected) or [DOCUMENT_FIELD])
            if version <= history.head.version:
                break
            if await self._is_ahead(target, stream):
                report.ahead.append(stream)
                return
            # otherwise it has been written since the history was loaded: load it again
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
