"""Load streams for a decision, long ones from a snapshot and their newest commits.

A stream with snapshots is loaded from its end: if the newest commits are all that it has, nothing
else is read. Otherwise the snapshot holds the state, and an index names the commits of commands
that are older than the newest commits, so that a redelivered command is still recognised. Both are
hints: a snapshot is used only if its commit is in the log, and the log confirms what the index
names.

One command adds at most `MAX_INDEXED` commands to the index. A stream that an older build has
written has more: until the index has caught up, the log is searched for those that it lacks.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Generic, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError

from chassis.decide.decider import Decider
from chassis.log.event_store import (
    Commit,
    EventStore,
    ExecutedCommand,
    History,
    Origin,
    Snapshot,
)
from chassis.log.slices import slices
from contracts.messages import Event

S = TypeVar("S")
E = TypeVar("E", bound=Event)

REDELIVERY_DAYS: Final = 15
"""Days for which a command id is recognised; SQS keeps a message for fourteen at most."""
MAX_INDEXED: Final = 500
"""Commands that one command adds to the index, at most: a fraction of a second of writing."""
_DAY_MS: Final = 24 * 3600 * 1000
_MOST_OVERSIZED: Final = 1_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshots(Generic[S]):
    """Store the folded state of long streams, so that a command costs the same on all of them.

    Increase `schema` whenever the state's shape or `evolve` changes: snapshots of another schema
    are ignored and replaced.
    """

    state: TypeAdapter[S]
    schema: int = 1
    newest: int = 100
    """Commits that are always loaded; a stream that has no more needs no snapshot."""
    every: int = 50
    """Commits after which a new snapshot is written; fewer than `newest`."""


@dataclass(frozen=True, slots=True)
class LoadedStream(Generic[S, E]):
    """Hold what a decision needs to know of a stream."""

    history: History[E]
    """The stream up to its head; it starts later than the first event if a snapshot was used."""
    state: S
    """The state at the head."""
    earlier: Commit[E] | None = None
    """The commit that an earlier delivery of the command appended, found by the index."""
    snapshot: Snapshot | None = None
    """The stored snapshot, also if it could not be used."""


@dataclass(frozen=True, slots=True)
class Streams(Generic[S, E]):
    """Load the streams of one event store with their states, and save snapshots of them."""

    store: EventStore[E]
    decider: Decider[S, Any, E]
    snapshots: Snapshots[S] | None
    oversized: dict[str, int]
    """Stream -> version at which its snapshot exceeded an item and was not saved."""

    async def load(self, stream: str, origin: Origin | None = None) -> LoadedStream[S, E]:
        """Load a stream, and look for the commit of this command if there is one.

        Raises:
            CommandIdReused: a commit has the same command id and another body.
            UnknownEvent: an event cannot be read.
        """
        if self.snapshots is None:
            return await self.fold(await self.store.load(stream))
        history = await self.store.load_newest(stream, commits=self.snapshots.newest)
        if history.complete:
            return await self.fold(history)
        snapshot, indexed = await asyncio.gather(
            self.store.snapshot(stream), self._indexed(stream, origin)
        )
        if snapshot is not None and snapshot.version <= history.after:  # later ones were not saved
            history = await self.store.load(stream, after=snapshot.first - 1)
        state = self._state(snapshot, history)
        if state is None or snapshot is None:
            return await self.fold(await self.store.load(stream), snapshot=snapshot)
        since = history.since(snapshot.version)
        state = await self._fold(state, () if since is None else since.events)
        earlier = None
        if origin is not None:
            earlier = await self._earlier(origin, history, snapshot, indexed)
        return LoadedStream(history, state, earlier, snapshot)

    async def _indexed(self, stream: str, origin: Origin | None) -> int | None:
        if origin is None:
            return None
        return await self.store.indexed_commit(stream, origin.command_id)

    async def _earlier(
        self, origin: Origin, history: History[E], snapshot: Snapshot, indexed: int | None
    ) -> Commit[E] | None:
        """Return the commit of this command that is older than `history`, if there is one."""
        if indexed is None and snapshot.indexed < history.after:
            indexed = await self.store.find_command(
                snapshot.stream, origin.command_id, after=snapshot.indexed, until=history.after
            )
        commit = None if indexed is None else await self.store.commit(snapshot.stream, indexed)
        if commit is None or not commit.results_from(origin):
            return None  # the log was restored from a backup, and the index was not
        return commit

    async def fold(
        self, history: History[E], snapshot: Snapshot | None = None
    ) -> LoadedStream[S, E]:
        """Fold a complete history."""
        state = await self._fold(self.decider.initial, history.events)
        return LoadedStream(history, state, snapshot=snapshot)

    async def save_snapshot(self, loaded: LoadedStream[S, E], commit: Commit[E], state: S) -> None:
        """Save the state after a commit if that is due, and the index of older commands first."""
        snapshots, history = self.snapshots, loaded.history.with_commit(commit)
        if snapshots is None or not self._due(snapshots, history, loaded.snapshot):
            return
        valid = _of_this_log(history, loaded.snapshot)
        commands, indexed = await self._unindexed(snapshots, history, valid.indexed if valid else 0)
        snapshot = Snapshot(
            stream=commit.stream,
            version=commit.last,
            schema=snapshots.schema,
            state=snapshots.state.dump_json(state),
            fingerprint=commit.fingerprint,
            indexed=indexed,
        )
        await self.store.index_commands(
            commands, expires_at=commit.origin.at // 1000 + REDELIVERY_DAYS * _DAY_MS // 1000
        )
        replaces = loaded.snapshot.fingerprint if loaded.snapshot and not valid else ""
        if not await self.store.save_snapshot(snapshot, replaces=replaces):
            self._note_oversized(snapshot)

    async def _unindexed(
        self, snapshots: Snapshots[S], history: History[E], indexed: int
    ) -> tuple[Sequence[ExecutedCommand], int]:
        """Return the commands to add to the index now, and the version that it then reaches.

        These are the oldest `MAX_INDEXED` that can be redelivered and are not in the index, except
        those that the newest commits of every load until the next snapshot will include.
        """
        count = len(history.commits) - (snapshots.newest - snapshots.every)
        older = history.commits[: max(0, count)]
        end = older[-1].last if older else indexed
        at = history.commits[-1].origin.at - REDELIVERY_DAYS * _DAY_MS
        if indexed >= history.after:
            lacking = (each for each in older if each.first > indexed and each.origin.at > at)
            commands = [each.executed for each in islice(lacking, MAX_INDEXED + 1)]
        else:
            found = await self.store.executed_commands(
                history.head.stream, after=indexed, limit=MAX_INDEXED + 1
            )
            commands = [each for each in found if each.last <= end]
        some = commands[:MAX_INDEXED]
        reached = some[-1].last if len(commands) > MAX_INDEXED else max(indexed, end)
        return [each for each in some if each.at > at], reached

    def _due(self, snapshots: Snapshots[S], history: History[E], stored: Snapshot | None) -> bool:
        """Return whether enough commits follow the last snapshot of a stream that needs one."""
        if history.complete and len(history.commits) <= snapshots.newest:
            return False
        head = history.head
        if head.version - self.oversized.get(head.stream, -snapshots.every) < snapshots.every:
            return False
        valid = _of_this_log(history, stored)
        if valid is None or valid.schema != snapshots.schema or valid.indexed < history.after:
            return True
        since = history.since(valid.version)
        return since is None or len(since.commits) >= snapshots.every

    def _state(self, snapshot: Snapshot | None, history: History[E]) -> S | None:
        """Return the state of a snapshot, or None if it cannot be used for this history."""
        valid = _of_this_log(history, snapshot)
        if valid is None or self.snapshots is None or valid.schema != self.snapshots.schema:
            return None
        try:
            return self.snapshots.state.validate_json(valid.state)
        except ValidationError as error:
            log.warning("snapshot_unreadable", stream=valid.stream, because=str(error))
            return None

    async def _fold(self, state: S, events: Sequence[E]) -> S:
        async for some in slices(events):
            state = self.decider.fold(some, state)
        return state

    def _note_oversized(self, snapshot: Snapshot) -> None:
        """Do not try again for a while, and log it once for a stream."""
        if snapshot.stream not in self.oversized:
            log.warning(
                "snapshot_too_large", stream=snapshot.stream, state_bytes=len(snapshot.state)
            )
        if len(self.oversized) >= _MOST_OVERSIZED:
            self.oversized.clear()
        self.oversized[snapshot.stream] = snapshot.version


def _of_this_log(history: History[E], snapshot: Snapshot | None) -> Snapshot | None:
    """Return the snapshot if the history holds the commit at which it was taken."""
    if snapshot is None or history.fingerprint_at(snapshot.version) != snapshot.fingerprint:
        return None
    return snapshot
