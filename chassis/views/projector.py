"""Keeps read models equal to the fold of the log: applied once, in order, gaps filled."""

import asyncio
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Generic, TypeVar

import structlog
from redis.exceptions import NoScriptError

from chassis.log.event_store import Commit, EventStore, History, Page, UnknownEvent
from chassis.resilience.failpoint import failpoint
from chassis.views.projection import DOCUMENT, Rank, ReadModel
from chassis.views.read_models import (
    Place,
    behind_key,
    board_key,
    control_key,
    document_place,
    generations,
    parked_key,
    shared_place,
)
from contracts.messages import Event

E = TypeVar("E", bound=Event)

log = structlog.get_logger(__name__)

FIRST_BOARD = 3
"""The number of the first board among the keys of apply.lua."""
_APPLY = files("chassis.views").joinpath("apply.lua").read_text()
_FORGET = """
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
"""
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
    boards: tuple[str, ...] = ()


@dataclass(slots=True)
class Counts:
    """What projecting came to."""

    applied: int = 0
    duplicates: int = 0
    gaps: int = 0

    def add(self, statuses: Sequence[bytes]) -> None:
        self.applied += statuses.count(b"applied")
        self.duplicates += statuses.count(b"duplicate")
        self.gaps += statuses.count(b"gap")


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
    lag_seconds: float = 0.0
    """From the append of the last commit that was projected here to its read models."""
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
            self._targets = wanted = self._ours(control)
            if wanted <= written:
                await self._leave_word(control, history)
                if history.commits:
                    self.lag_seconds = max(0.0, time.time() - history.commits[-1].origin.at / 1000)
                return

    async def catch_up(self, target: Target[E], stream: str) -> bool:
        """Fill a gap: fold what the store holds beyond the read model, and apply it.

        False: the fold could not take it, and the stream is parked.
        """
        place = target.place(stream)
        while True:
            version, base = await self._standing(target, place)
            try:
                history = await self.store.load(stream, after=version)
            except UnknownEvent as error:
                await self._park(target, stream, error)
                return False
            try:
                change = _change(target, history, base)
            except Exception as error:  # noqa: BLE001  whatever a fold raises
                await self._park(target, stream, error)
                return False
            if change is None:
                return True
            (status,) = await self.apply([change])
            if status != b"gap":  # else another instance was faster: look again
                return True

    async def catch_up_behind(self) -> int:
        """Project what instances with other folds have appended; how many streams that were."""
        streams = 0
        ours = self._ours(await self.redis.hgetall(control_key(self.service)))
        for model in self.models:
            key = behind_key(self.service, model.name, model.version)
            for stream, version in (await self.redis.hgetall(key)).items():
                for name, number in ours:
                    if name == model.name:
                        target = Target(self.service, model, number)
                        await self.catch_up(target, stream.decode())
                # unless there is more by now
                await self.redis.eval(_FORGET, 1, key, stream, version)
                streams += 1
        return streams

    async def retry_parked(self) -> int:
        """Try the parked streams again, as a mended fold may take them; how many went through."""
        mended = 0
        for name, number in self._ours(await self.redis.hgetall(control_key(self.service))):
            target = self.target(name, number)
            key = parked_key(self.service, name, number)
            for stream in await self.redis.hkeys(key):
                if target is not None and await self.catch_up(target, stream.decode()):
                    mended += await self.redis.hdel(key, stream)
        return mended

    async def project_page(self, target: Target[E], page: Page[E], counts: Counts) -> None:
        """Bring pieces of many streams, in any order, into one generation; adds to `counts`."""
        changes, behind = [], []
        for stream, because in page.unreadable:
            await self._park(target, stream, UnknownEvent(because))
        for stream, its in _by_stream(page.commits).items():
            history = _from_the_beginning(its)
            change = None if history is None else await self._change_or_park(target, history)
            if change is not None:
                changes.append(change)
            elif history is None:
                behind.append(stream)
        failpoint("mid_page")
        counts.add(await self.apply(changes))
        for stream in behind:
            counts.gaps += await self.catch_up(target, stream)

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
        changes = [await self._change_or_park(target, history) for target in targets]
        control, _ = await self._pipeline([c for c in changes if c is not None])
        return control, []  # a history from the beginning closes its gaps itself

    async def _pipeline(self, changes: Sequence[Change]) -> tuple[dict[bytes, bytes], list[bytes]]:
        commands = [("HGETALL", control_key(self.service)), *map(_command, changes)]
        control, *statuses = await self.redis.together(commands)
        for error in (status for status in statuses if isinstance(status, Exception)):
            if not isinstance(error, NoScriptError):
                raise error
            # a restart or failover emptied the script cache
            await self.redis.script_load(_APPLY)
            return await self._pipeline(changes)
        self.counts.add(statuses)
        return control, statuses

    async def _standing(self, target: Target[E], place: Place) -> tuple[int, bytes | None]:
        if target.model.shared:
            # the version first: a base that is newer than it says is refused as a gap
            pipe = self.redis.pipeline(transaction=False)
            pipe.hget(place.version_key, place.version_field)
            pipe.hget(place.data_key, place.version_field)
            version, base = await pipe.execute()
            return int(version or 0), base
        version, base = await self.redis.hmget(place.data_key, place.version_field, DOCUMENT)
        return int(version or 0), base

    async def _change_or_park(self, target: Target[E], history: History[E]) -> Change | None:
        """What a whole history changes; None if nothing, or if the fold could not take it."""
        try:
            return _change(target, history, None)
        except Exception as error:  # noqa: BLE001  whatever a fold raises
            await self._park(target, history.head.stream, error)
            return None

    async def _park(self, target: Target[E], stream: str, error: Exception) -> None:
        """One stream of one read model stands still, with its error; everything else goes on."""
        name, because = target.model.name, f"{type(error).__name__}: {error}"
        key = parked_key(self.service, name, target.generation)
        await self.redis.hset(key, stream, because)
        trace = None if isinstance(error, UnknownEvent) else error
        log.error("stream_parked", read_model=name, stream=stream, because=because, exc_info=trace)

    async def _leave_word(self, control: dict[bytes, bytes], history: History[E]) -> None:
        """For instances whose folds write what ours may not; there are none, most of the time."""
        versions = {model.name: model.version for model in self.models}
        others = {
            (each.name, each.version)
            for each in generations(control)
            if each.name in versions and each.version != versions[each.name]
        }
        for name, version in others:
            key = behind_key(self.service, name, version)
            await self.redis.hset(key, history.head.stream, history.head.version)

    def _ours(self, control: dict[bytes, bytes]) -> frozenset[tuple[str, int]]:
        """The generations that our folds write; those of other versions are not ours to touch."""
        known = generations(control)
        present = {each.name for each in known}
        if any(model.name not in present for model in self.models):
            self.lost.set()
        versions = {model.name: model.version for model in self.models}
        return frozenset(
            (each.name, each.number) for each in known if versions.get(each.name) == each.version
        )


def _change(target: Target[E], history: History[E], base: bytes | None) -> Change | None:
    if history.head.version <= history.after:
        return None
    stream = history.head.stream
    place = target.place(stream)
    arguments: list[str | bytes] = []
    boards: dict[str, str] = {}
    for name, value in target.model.changes(stream, history.events, base).items():
        if isinstance(name, Rank):
            key = board_key(place.data_key, name.board)
            number = boards.setdefault(key, str(len(boards) + FIRST_BOARD))
            arguments += ["<", number, name.member] if value is None else []
            arguments += [] if value is None else [">", number, name.member, _score(value)]
        else:
            arguments += ["-", name] if value is None else ["+", name, _bytes(value)]
    return Change(place, history.after, history.head.version, tuple(arguments), tuple(boards))


def _score(value: bytes | float) -> str:
    """All seventeen digits: Redis reads back the very same number."""
    return repr(float(value))


def _bytes(value: bytes | float) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a hash field takes bytes")
    return value


def _command(change: Change) -> tuple[Any, ...]:
    place = change.place
    return (
        "EVALSHA", _APPLY_SHA, 2 + len(change.boards), place.version_key, place.data_key,
        *change.boards, place.version_field, change.start, change.last, *change.arguments,
    )  # fmt: skip


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
    if len(commits) == 1:  # as nearly always
        (commit,) = commits.values()
        return History(commit.head, (commit,)) if commit.first == 1 else None
    ordered = tuple(commits[first] for first in sorted(commits))
    ends = (0, *(commit.last for commit in ordered))
    if any(commit.first != end + 1 for end, commit in zip(ends, ordered, strict=False)):
        return None
    return History(ordered[-1].head, ordered)
