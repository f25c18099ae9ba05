"""Define the event store: streams of commits, each appended at the head of its stream."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

E = TypeVar("E")

MAX_COMMIT_BYTES = 409_600
"""Size limit of one DynamoDB item, attribute names included."""


class Conflict(Exception):
    """Another commit was appended after this head."""

    def __init__(self, head: "Head") -> None:
        super().__init__(f"{head.stream} has moved on from version {head.version}")
        self.head = head


class CommandIdReused(Exception):
    """A command id arrived again with another body."""

    def __init__(self, commit: "Commit[Any]") -> None:
        super().__init__(f"command {commit.origin.command_id} was carried out with another body")
        self.commit = commit


class ClaimTaken(Exception):
    """Another stream holds this claim."""

    def __init__(self, claim: str) -> None:
        super().__init__(f"{claim} is taken")
        self.claim = claim


class CommitTooLarge(Exception):
    """The events of one command do not fit into one DynamoDB item (400 KB)."""


class UnknownEvent(Exception):
    """A stream holds an event that this version of the service cannot read."""


@dataclass(frozen=True, slots=True)
class Head:
    """Identify the end of a stream as a store returned it; version 0: a stream without events.

    Only stores create heads (`load`, `head`, `append`): a head is always the end of a commit, so
    an append at `version + 1` competes with every other writer. A bare version number does not:
    it might point into the middle of a commit, where the next key is free.
    """

    stream: str
    version: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Describe the command that a commit results from."""

    command_id: str
    body_hash: str
    correlation_id: str
    at: int
    """Milliseconds since the UNIX epoch."""
    causation_id: str | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Commit(Generic[E]):
    """Hold the events of one command: versions `first` to `last`, stored together."""

    stream: str
    first: int
    events: tuple[E, ...]
    origin: Origin

    @property
    def last(self) -> int:
        return self.first + len(self.events) - 1

    @property
    def head(self) -> Head:
        return Head(self.stream, self.last)

    def results_from(self, origin: Origin) -> bool:
        """Return whether this commit results from that command.

        Raises:
            CommandIdReused: the command id is the same and the body is not.
        """
        if self.origin.command_id != origin.command_id:
            return False
        if self.origin.body_hash != origin.body_hash:
            raise CommandIdReused(self)
        return True


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Hold the state of a stream at a version, so that loading can start there.

    `recent` lists the commits whose command ids may still be redelivered, without their events.
    """

    stream: str
    version: int
    schema: int
    """Version of the state's shape; a snapshot with another one than the domain's is not used."""
    state: bytes
    recent: tuple[tuple[int, int, Origin], ...] = ()
    """(first, last, origin) of each recent commit, oldest first."""


@dataclass(frozen=True, slots=True)
class History(Generic[E]):
    """Hold the commits of a stream from version `after` (exclusive) to its head."""

    head: Head
    commits: tuple[Commit[E], ...]
    after: int = 0

    @property
    def events(self) -> tuple[E, ...]:
        return tuple(event for commit in self.commits for event in commit.events)

    def as_of(self, *, version: int | None = None, at_ms: int | None = None) -> "History[E]":
        """Return the stream as it was at a version, a time (UNIX milliseconds), or both.

        A `version` inside a commit excludes that commit, because its events happened together.
        """
        commits = tuple(
            commit
            for commit in self.commits
            if (version is None or commit.last <= version)
            and (at_ms is None or commit.origin.at <= at_ms)
        )
        last = commits[-1].last if commits else self.after
        return History(Head(self.head.stream, last), commits, self.after)

    def with_commit(self, commit: Commit[E]) -> "History[E]":
        """Return the history extended by its next commit."""
        return History(commit.head, (*self.commits, commit), self.after)

    def commit_from(self, origin: Origin) -> Commit[E] | None:
        """Return the commit that results from this command, or None if there is none.

        Raises:
            CommandIdReused: a commit has the same command id and another body.
        """
        return next((commit for commit in self.commits if commit.results_from(origin)), None)


@dataclass(frozen=True, slots=True)
class Page(Generic[E]):
    """Hold one page of a scan: commits of many streams, in no particular order."""

    commits: tuple[Commit[E], ...]
    cursor: str | None
    """Where the next page begins; None after the last one."""
    read_units: float = 0.0
    """DynamoDB read units that the page took."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(stream, reason) of commits that this version of the service cannot decode."""


@dataclass(frozen=True, slots=True)
class HeadsPage:
    """Hold one page of a scan for heads: how far each stream goes on this page."""

    heads: Mapping[str, tuple[int, int]]
    """Stream -> (last version, time of that commit in UNIX milliseconds)."""
    cursor: str | None
    """Where the next page begins; None after the last one."""
    read_units: float = 0.0
    """DynamoDB read units that the page took."""


class EventStore(Protocol[E]):
    """Store events. The implementations on DynamoDB and in memory pass the same tests."""

    async def load(self, stream: str, *, after: int = 0) -> History[E]:
        """Load every commit after version `after`, with consistent reads.

        `after` must be the end of a commit, as snapshots and read models record it.

        Raises:
            UnknownEvent: an event cannot be read.
        """

    async def head(self, stream: str) -> Head:
        """Return the end of the stream, with a consistent read."""

    async def append(
        self, head: Head, events: Sequence[E], origin: Origin, *, claims: Sequence[str] = ()
    ) -> Commit[E]:
        """Append one commit after `head`, and take its claims, in one transaction.

        Returns the stored commit: if an earlier delivery of the same command has written one,
        that one.

        Raises:
            Conflict: another command's commit follows this head.
            CommandIdReused: a commit with the same command id and another body follows this head.
            ClaimTaken: another stream holds one of the claims; nothing was written.
            CommitTooLarge: the events exceed one item; nothing was written.
        """

    async def snapshot(self, stream: str) -> Snapshot | None:
        """Return the newest snapshot of a stream, or None if there is none."""

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Save a snapshot unless a newer one exists."""

    def scan(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[Page[E]]:
        """Read all commits consistently; continue after `cursor` with the same `segments`."""

    def scan_heads(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[HeadsPage]:
        """Scan without the events; a stream on two pages has its head on one of them."""

    async def approximate_commits(self) -> int:
        """Return about how many commits there are; the number may be hours old.

        0 if the store refuses to say: an estimate must not keep a rebuild from starting.
        """
