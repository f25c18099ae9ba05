"""Define the event store: streams of commits, each appended at the head of its stream."""

import bisect
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

E = TypeVar("E")

MAX_COMMIT_BYTES = 409_600
"""Size limit of one DynamoDB item, attribute names included."""
MAX_CLAIMS: Final = 99
"""Claims of one commit: a transaction takes a hundred actions, and the commit is one of them."""
MAX_CLAIM_BYTES: Final = 1_024
"""Length limit of a claim, which is the key of an item."""


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

    def __init__(self, claim: str, holder: str) -> None:
        super().__init__(f"{claim} is taken")
        self.claim = claim
        self.holder = holder
        """The other stream."""


class CommitTooLarge(Exception):
    """The events of one command exceed one DynamoDB item (400 KB), or have too many claims."""


class UnknownEvent(Exception):
    """A stream holds an event that this version of the service cannot read."""


class UnreadableCommit(UnknownEvent):
    """A stored commit is damaged: no version of the service has written it like this."""


def check_claims(claims: Sequence[str], unclaimed: Sequence[str] = ()) -> None:
    """Verify that one transaction can write these claims, and check those that must be free.

    Raises:
        CommitTooLarge: there are too many claims, or one is too long.
        ValueError: a claim is named twice; DynamoDB rejects two writes of one item.
    """
    named = (*claims, *unclaimed)
    if len(named) > MAX_CLAIMS:
        raise CommitTooLarge(f"{len(named)} claims in one commit; {MAX_CLAIMS} are possible")
    for claim in named:
        if (size := len(claim.encode())) > MAX_CLAIM_BYTES:
            raise CommitTooLarge(f"a claim of {size} bytes; {MAX_CLAIM_BYTES} are possible")
    if len(set(named)) < len(named):
        raise ValueError(f"a commit names a claim twice: {sorted(named)}")


class Head(NamedTuple):
    """Identify the end of a stream as a store returned it; version 0: a stream without events.

    Only stores create heads (`load`, `head`, `append`): a head is always the end of a commit, so
    an append at `version + 1` competes with every other writer. A bare version number does not:
    it might point into the middle of a commit, where the next key is free.
    """

    stream: str
    version: int


class Origin(NamedTuple):
    """Describe the command that a commit results from."""

    command_id: str
    body_hash: str
    correlation_id: str
    at: int
    """Milliseconds since the UNIX epoch."""
    causation_id: str | None = None
    actor: str | None = None


class Commit(NamedTuple, Generic[E]):
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

    @property
    def size(self) -> int:
        """The number of events."""
        return len(self.events)

    @property
    def executed(self) -> "ExecutedCommand":
        """The command that it results from, as the index stores it."""
        return ExecutedCommand(
            self.stream, self.origin.command_id, self.first, self.last, self.origin.at
        )

    @property
    def fingerprint(self) -> str:
        """Identify the commit among all that could be at its version: `<last>.<first>.<digest>`.

        After the log was restored from a backup, another commit may be stored at this version.
        """
        return f"{self.last}.{self.first}.{_digest(self.origin.command_id, self.origin.at)}"

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


@lru_cache(maxsize=4_096)
def _digest(command_id: str, at: int) -> str:
    return hashlib.blake2b(f"{command_id} {at}".encode(), digest_size=6).hexdigest()


def check_contiguous(commits: Sequence[Commit[Any]], *, complete: bool) -> None:
    """Verify that each commit follows the one before it, and of a complete stream that none lacks.

    Raises:
        UnreadableCommit: a commit is missing, or two of them hold the same version.
    """
    version = 0 if complete else None
    for commit in commits:
        if version is not None and commit.first != version + 1:
            raise UnreadableCommit(
                f"{commit.stream} has no commit at version {version + 1}; the next one is at "
                f"{commit.first}"
            )
        version = commit.last


@dataclass(frozen=True, slots=True)
class ExecutedCommand:
    """Name a command and the commit that results from it: versions `first` to `last`."""

    stream: str
    command_id: str
    first: int
    last: int
    at: int
    """Milliseconds since the UNIX epoch."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Hold the state of a stream at the end of one of its commits, so that loading starts there."""

    stream: str
    version: int
    schema: int
    """Version of the state's shape; a snapshot with another one than the domain's is not used."""
    state: bytes
    fingerprint: str
    """Fingerprint of the commit that ends at `version`."""
    indexed: int = 0
    """Version up to which `index_commands` has stored the command ids of the stream."""

    @property
    def first(self) -> int:
        """First version of the commit that ends at `version`; 1 if the fingerprint is damaged."""
        parts = self.fingerprint.split(".")
        return int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else 1


class History(NamedTuple, Generic[E]):
    """Hold the commits of a stream from version `after` (exclusive) to its head."""

    head: Head
    commits: tuple[Commit[E], ...]
    after: int = 0

    @property
    def events(self) -> tuple[E, ...]:
        if len(self.commits) == 1:  # nearly always; every read model asks for them
            return self.commits[0].events
        return tuple(event for commit in self.commits for event in commit.events)

    @property
    def size(self) -> int:
        """The number of events."""
        if len(self.commits) == 1:
            return len(self.commits[0].events)
        return sum(commit.size for commit in self.commits)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the commit at the head; empty if the history has no commits."""
        return self.commits[-1].fingerprint if self.commits else ""

    @property
    def complete(self) -> bool:
        """True if the history starts at the first event."""
        return self.after == 0

    def since(self, version: int) -> "History[E] | None":
        """Return the part after a version; None if the history does not hold it completely.

        It does not if the history starts later, or if the version is inside a commit.
        """
        if version == self.after:
            return self
        if not self.after < version <= self.head.version:
            return None
        index = bisect.bisect_right(self.commits, version, key=lambda commit: commit.last)
        if self.commits[index - 1].last != version:
            return None
        return History(self.head, self.commits[index:], version)

    def fingerprint_at(self, version: int) -> str | None:
        """Return the fingerprint of the commit that ends at a version; None if it is not here."""
        index = bisect.bisect_left(self.commits, version, key=lambda commit: commit.last)
        if index == len(self.commits) or self.commits[index].last != version:
            return None
        return self.commits[index].fingerprint

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
            UnknownEvent: an event cannot be read, or a commit is missing.
        """

    async def load_newest(self, stream: str, *, commits: int) -> History[E]:
        """Load the newest commits of a stream, at most this many, with consistent reads.

        The history is complete if the stream has no older ones.

        Raises:
            UnknownEvent: an event cannot be read, or a commit is missing.
        """

    async def commit(self, stream: str, first: int) -> Commit[E] | None:
        """Load the commit that begins at version `first`, or return None if there is none.

        Raises:
            UnknownEvent: an event cannot be read.
        """

    async def head(self, stream: str) -> Head:
        """Return the end of the stream, with a consistent read."""

    async def append(
        self,
        head: Head,
        events: Sequence[E],
        origin: Origin,
        *,
        claims: Sequence[str] = (),
        unclaimed: Sequence[str] = (),
    ) -> Commit[E]:
        """Append one commit after `head`, and take its claims, in one transaction.

        The transaction fails if another stream holds one of `unclaimed`, which are not taken.

        Returns the stored commit: if an earlier delivery of the same command has written one,
        that one.

        Raises:
            Conflict: another command's commit follows this head.
            CommandIdReused: a commit with the same command id and another body follows this head.
            ClaimTaken: another stream holds one of the claims, taken or not; nothing was written.
            CommitTooLarge: the events exceed one item, or the claims one transaction; nothing was
                written.
            ValueError: a claim is named twice; nothing was written.
        """

    async def snapshot(self, stream: str) -> Snapshot | None:
        """Return a snapshot of a stream, or None if there is none that can be read.

        It may be an older one than was saved last, for a moment.
        """

    async def save_snapshot(self, snapshot: Snapshot, *, replaces: str = "") -> bool:
        """Save a snapshot unless a newer one exists; return False if it exceeds one item.

        `replaces` is the fingerprint of a snapshot that is replaced even if it is newer, because
        it does not belong to this log.
        """

    async def executed_commands(
        self, stream: str, *, after: int, limit: int
    ) -> Sequence[ExecutedCommand]:
        """Return the commands of the first `limit` commits after version `after`, in order.

        The events are not decoded.
        """

    async def find_command(
        self, stream: str, command_id: str, *, after: int, until: int
    ) -> int | None:
        """Return the first version of a command's commit, or None if there is none.

        Searches the commits that begin after version `after`, up to version `until`, without
        decoding their events: it costs the read units of all of them.
        """

    async def index_commands(self, commands: Sequence[ExecutedCommand], *, expires_at: int) -> None:
        """Store the commit of each of these commands, for `indexed_commit`.

        `expires_at` is in UNIX seconds; the entries may be deleted after it.
        """

    async def indexed_commit(self, stream: str, command_id: str) -> int | None:
        """Return the first version of the commit that the index names for a command, or None."""

    def scan(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[Page[E]]:
        """Read all commits consistently; continue after `cursor` with the same `segments`."""

    def scan_heads(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None, since_ms: int = 0
    ) -> AsyncIterator[HeadsPage]:
        """Scan without the events; a stream on two pages has its head on one of them.

        `since_ms` leaves out commits that are older (UNIX milliseconds); the store reads them
        nevertheless, and charges for them.
        """

    async def approximate_commits(self) -> int:
        """Return about how many commits there are; the number may be hours old.

        0 if the store refuses to say: an estimate must not keep a rebuild from starting.
        """
