"""The event store's port: streams of commits, appended at their head or not at all."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

E = TypeVar("E")

MAX_COMMIT_BYTES = 409_600
"""What one DynamoDB item holds, attribute names included."""


class Conflict(Exception):  # noqa: N818  a lost race is no error: load and decide again
    """Another commit took the place after this head."""

    def __init__(self, head: "Head") -> None:
        super().__init__(f"{head.stream} has moved on from version {head.version}")
        self.head = head


class WrongExpectedVersion(Exception):  # noqa: N818  the field's own term
    """A version was expected that is not the stream's head."""

    def __init__(self, stream: str, *, expected: int, actual: int) -> None:
        super().__init__(f"{stream} is at version {actual}, not at the expected {expected}")
        self.stream, self.expected, self.actual = stream, expected, actual


class CommandIdReused(Exception):  # noqa: N818  names what happened
    """A command id came again with another body."""

    def __init__(self, commit: "Commit[Any]") -> None:
        super().__init__(f"command {commit.origin.command_id} was carried out with another body")
        self.commit = commit


class ClaimTaken(Exception):  # noqa: N818  names what happened
    """Another stream holds this claim."""

    def __init__(self, claim: str) -> None:
        super().__init__(f"{claim} is taken")
        self.claim = claim


class CommitTooLarge(Exception):  # noqa: N818  names what happened
    """The events of one command do not fit into one DynamoDB item (400 KB)."""


class UnknownEvent(Exception):  # noqa: N818  names what happened
    """A stream holds an event that this version of the service cannot read."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a stream as a store has seen it; version 0 is a stream that does not exist.

    Only stores mint heads (`load`, `head`, `append`): a head is always the end of a commit, so
    that a write at `version + 1` competes with every other writer. A bare number does not: it
    might point into the middle of a commit, where the place after it is free.
    """

    stream: str
    version: int

    def expect(self, version: int | None) -> "Head":
        """Itself, if the stream is where the caller believes it to be.

        Raises:
            WrongExpectedVersion: the stream is elsewhere, also when in the middle of a commit.
        """
        if version is not None and version != self.version:
            raise WrongExpectedVersion(self.stream, expected=version, actual=self.version)
        return self


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a commit comes from."""

    command_id: str
    body_hash: str
    correlation_id: str
    at: int
    """Milliseconds since the UNIX epoch."""
    causation_id: str | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Commit(Generic[E]):
    """The events of one command: versions `first` to `last`, stored whole."""

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

    def answers(self, origin: Origin) -> bool:
        """Whether this commit is what that command has led to.

        Raises:
            CommandIdReused: the id is the same and the body is not.
        """
        if self.origin.command_id != origin.command_id:
            return False
        if self.origin.body_hash != origin.body_hash:
            raise CommandIdReused(self)
        return True


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state kept beside its stream so that loading need not start at the beginning.

    `recent` are the commits whose command ids may still be redelivered, without their events.
    """

    stream: str
    version: int
    schema: int
    """Raised by the domain when the state's shape changes; another number is not read."""
    state: bytes
    recent: tuple[tuple[int, int, Origin], ...] = ()
    """(first, last, origin) of each recent commit, oldest first."""


@dataclass(frozen=True, slots=True)
class History(Generic[E]):
    """A stream from `after` (exclusive) to its head."""

    head: Head
    commits: tuple[Commit[E], ...]
    after: int = 0

    @property
    def events(self) -> tuple[E, ...]:
        return tuple(event for commit in self.commits for event in commit.events)

    def since(self, version: int) -> tuple[E, ...]:
        """The events after `version`, which must not lie before `after`."""
        return self.events[version - self.after :]

    def as_of(self, *, version: int | None = None, at_ms: int | None = None) -> "History[E]":
        """The stream as it was: whole commits up to a version, a time, or both.

        `version` inside a commit leaves that commit out, for its events happened together.
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
        return History(commit.head, (*self.commits, commit), self.after)

    def answer_to(self, origin: Origin) -> Commit[E] | None:
        """The commit that this command has already led to."""
        return next((commit for commit in self.commits if commit.answers(origin)), None)


@dataclass(frozen=True, slots=True)
class Page(Generic[E]):
    """A piece of a scan: commits of many streams, in no promised order."""

    commits: tuple[Commit[E], ...]
    cursor: str | None
    """Where the next page begins; None after the last one."""
    read_units: float = 0.0
    """What the page has cost."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(stream, why) of commits that this build cannot decode."""


@dataclass(frozen=True, slots=True)
class HeadsPage:
    """A piece of a scan for heads: how far each stream goes, as far as the page shows."""

    heads: Mapping[str, tuple[int, int]]
    """Stream -> (last version, time of that commit in ms)."""
    cursor: str | None
    read_units: float = 0.0


class EventStore(Protocol[E]):
    """Two implementations pass one suite: DynamoDB and memory."""

    async def load(self, stream: str, *, after: int = 0) -> History[E]:
        """Every commit after version `after`, read consistently.

        `after` must be the end of a commit, as snapshots and read models record it.
        """

    async def head(self, stream: str) -> Head:
        """The end of the stream, read consistently."""

    async def append(
        self, head: Head, events: Sequence[E], origin: Origin, *, claims: Sequence[str] = ()
    ) -> Commit[E]:
        """Add one commit after `head`, and its claims with it.

        Returns the stored commit: the one that an earlier delivery of the same command wrote,
        if there was one.

        Raises:
            Conflict: another command's commit stands there.
            CommandIdReused: this command's id stands there with another body.
            ClaimTaken: another stream holds one of the claims; nothing was written.
            CommitTooLarge: the events exceed one item; nothing was written.
        """

    async def snapshot(self, stream: str) -> Snapshot | None: ...

    async def save_snapshot(self, snapshot: Snapshot) -> None: ...

    def scan(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[Page[E]]:
        """All commits, read consistently; resumes after `cursor` with the same `segments`."""

    def scan_heads(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[HeadsPage]:
        """As `scan`, without the events: a stream on two pages has its head on one of them."""

    async def approximate_commits(self) -> int:
        """How many there are, for an estimate; may be hours old."""
