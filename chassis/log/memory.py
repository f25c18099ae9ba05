"""Store events in memory, for tests and examples; passes the tests of the DynamoDB store."""

import asyncio
import bisect
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chassis.log.codec import Codec
from chassis.log.event_store import (
    MAX_COMMIT_BYTES,
    ClaimTaken,
    Commit,
    CommitTooLarge,
    Conflict,
    ExecutedCommand,
    Head,
    HeadsPage,
    History,
    Origin,
    Page,
    Snapshot,
    UnknownEvent,
    check_claims,
    check_contiguous,
)
from chassis.log.slices import slices
from contracts.messages import Event

E = TypeVar("E", bound=Event)
PAGE_COMMITS = 100
"""Commits on one page of a scan."""


@dataclass(frozen=True, slots=True)
class StoredCommit:
    """Hold a commit as encoded bytes, so that the codec and upcasters are exercised here too."""

    stream: str
    first: int
    count: int
    origin: Origin
    encoding: str
    data: bytes

    @property
    def last(self) -> int:
        return self.first + self.count - 1

    @property
    def executed(self) -> ExecutedCommand:
        """The command that it results from."""
        return ExecutedCommand(
            self.stream, self.origin.command_id, self.first, self.last, self.origin.at
        )


@dataclass(slots=True)
class MemoryEventStore(Generic[E]):
    """Store the events of one service in dictionaries."""

    codec: Codec[E]
    streams: dict[str, list[StoredCommit]] = field(default_factory=lambda: defaultdict(list))
    claims: dict[str, str] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    commands: dict[tuple[str, str], int] = field(default_factory=dict)
    """(stream, command id) -> first version of the commit, as `index_commands` stores it."""

    async def load(self, stream: str, *, after: int = 0) -> History[E]:
        await asyncio.sleep(0)  # let other tasks run, as a network call would
        stored = self._commits(stream)
        stored = stored[_position(stored, after + 1) :]
        commits: list[Commit[E]] = []
        async for some in slices(stored, weigh=_count):
            commits += map(self._decode, some)
        check_contiguous(commits, complete=after == 0)
        version = commits[-1].last if commits else after
        return History(Head(stream, version), tuple(commits), after)

    async def load_newest(self, stream: str, *, commits: int) -> History[E]:
        newest = self._commits(stream)[-commits:]
        return await self.load(stream, after=newest[0].first - 1 if newest else 0)

    async def commit(self, stream: str, first: int) -> Commit[E] | None:
        await asyncio.sleep(0)
        stored = self._stored_at(stream, first)
        return None if stored is None else self._decode(stored)

    async def head(self, stream: str) -> Head:
        await asyncio.sleep(0)
        commits = self._commits(stream)
        return Head(stream, commits[-1].last if commits else 0)

    async def append(
        self,
        head: Head,
        events: Sequence[E],
        origin: Origin,
        *,
        claims: Sequence[str] = (),
        unclaimed: Sequence[str] = (),
    ) -> Commit[E]:
        check_claims(claims, unclaimed)
        await asyncio.sleep(0)
        place = head.version + 1
        if (taken := self._stored_at(head.stream, place)) is not None:
            existing = self._decode(taken)
            if existing.results_from(origin):
                return existing
            raise Conflict(head)
        for claim in (*claims, *unclaimed):
            if (holder := self.claims.get(claim, head.stream)) != head.stream:
                raise ClaimTaken(claim, holder)
        encoding, data = self.codec.encode(events)
        if len(data) > MAX_COMMIT_BYTES:
            raise CommitTooLarge(f"{len(data)} bytes; one commit holds {MAX_COMMIT_BYTES}")
        stored = StoredCommit(head.stream, place, len(events), origin, encoding, data)
        self.streams[head.stream].append(stored)
        self.claims.update(dict.fromkeys(claims, head.stream))
        return self._decode(stored)

    async def snapshot(self, stream: str) -> Snapshot | None:
        await asyncio.sleep(0)
        return self.snapshots.get(stream)

    async def save_snapshot(self, snapshot: Snapshot, *, replaces: str = "") -> bool:
        await asyncio.sleep(0)
        if len(zlib.compress(snapshot.state)) > MAX_COMMIT_BYTES:
            return False
        newest = self.snapshots.get(snapshot.stream)
        if not newest or newest.version < snapshot.version or newest.fingerprint == replaces:
            self.snapshots[snapshot.stream] = snapshot
        return True

    async def executed_commands(
        self, stream: str, *, after: int, limit: int
    ) -> Sequence[ExecutedCommand]:
        await asyncio.sleep(0)
        stored = self._commits(stream)
        start = _position(stored, after + 1)
        return [each.executed for each in stored[start : start + limit]]

    async def find_command(
        self, stream: str, command_id: str, *, after: int, until: int
    ) -> int | None:
        await asyncio.sleep(0)
        stored = self._commits(stream)
        some = stored[_position(stored, after + 1) : _position(stored, until + 1)]
        return next((each.first for each in some if each.origin.command_id == command_id), None)

    async def index_commands(self, commands: Sequence[ExecutedCommand], *, expires_at: int) -> None:
        del expires_at  # the entries of a test do not outlive it
        await asyncio.sleep(0)
        for command in commands:
            self.commands[command.stream, command.command_id] = command.first

    async def indexed_commit(self, stream: str, command_id: str) -> int | None:
        await asyncio.sleep(0)
        return self.commands.get((stream, command_id))

    async def scan(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[Page[E]]:
        async for stored, next_cursor in self._pages(segment, segments, cursor):
            commits: list[Commit[E]] = []
            unreadable: list[tuple[str, str]] = []
            for commit in stored:  # a page is shorter than a slice
                try:
                    commits.append(self._decode(commit))
                except UnknownEvent as error:
                    unreadable.append((commit.stream, str(error)))
            yield Page(tuple(commits), next_cursor, unreadable=tuple(unreadable))

    async def scan_heads(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None, since_ms: int = 0
    ) -> AsyncIterator[HeadsPage]:
        async for stored, next_cursor in self._pages(segment, segments, cursor):
            heads = {
                commit.stream: (commit.last, commit.origin.at)
                for commit in stored
                if commit.origin.at >= since_ms
            }
            yield HeadsPage(heads, next_cursor)

    async def approximate_commits(self) -> int:
        return sum(len(commits) for commits in self.streams.values())

    async def _pages(
        self, segment: int, segments: int, cursor: str | None
    ) -> AsyncIterator[tuple[list[StoredCommit], str | None]]:
        commits = [
            commit
            for number, stream in enumerate(sorted(self.streams))
            if number % segments == segment
            for commit in self.streams[stream]
        ]
        start = int(cursor or 0)
        while True:
            await asyncio.sleep(0)
            page = commits[start : start + PAGE_COMMITS]
            start += PAGE_COMMITS
            more = start < len(commits)
            yield page, str(start) if more else None
            if not more:
                return

    def _commits(self, stream: str) -> list[StoredCommit]:
        return self.streams.get(stream, [])

    def _stored_at(self, stream: str, first: int) -> StoredCommit | None:
        """Return the commit that begins at a version, however long the stream is."""
        stored = self._commits(stream)
        index = _position(stored, first)
        return stored[index] if index < len(stored) and stored[index].first == first else None

    def _decode(self, stored: StoredCommit) -> Commit[E]:
        events = self.codec.decode(stored.encoding, stored.data)
        return Commit(stored.stream, stored.first, events, stored.origin)


def _position(stored: Sequence[StoredCommit], first: int) -> int:
    """Return the index of the first commit that begins at this version or later."""
    return bisect.bisect_left(stored, first, key=lambda commit: commit.first)


def _count(stored: StoredCommit) -> int:
    return stored.count
