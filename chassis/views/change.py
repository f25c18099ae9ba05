"""Build the changes that projecting makes in Redis, and apply each of them exactly once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from chassis.log.event_store import History
from chassis.log.slices import slices
from chassis.views.keys import KeyLocation, board_key, document_location, shared_location
from chassis.views.projection import BoardMember, FieldChanges, ReadModel, Stored
from chassis.views.scripts import LuaScript
from contracts.messages import Event

E = TypeVar("E", bound=Event)

APPLY: Final = LuaScript.load("chassis.views", "apply.lua")
FIRST_BOARD: Final = 4
"""Number of the first board among the keys of apply.lua."""


class FoldFailed(Exception):
    """A fold raised an error for the events of a stream; the error is the cause."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Target(Generic[E]):
    """Identify one generation of one read model."""

    service: str
    model: ReadModel[E]
    generation: int

    @property
    def value(self) -> str:
        """The generation as the control hash stores it: `<number>.<fold version>`."""
        return f"{self.generation}.{self.model.version}"

    def location(self, stream: str) -> KeyLocation:
        """Locate a stream's share of this generation."""
        locate = shared_location if self.model.shared else document_location
        return locate(self.service, self.model.name, self.generation, stream)


Mode = Literal["first", "next", "replace"]
"""How a change relates to what is stored, see apply.lua."""


class Position(NamedTuple):
    """Identify a commit of a stream by the version at its end and its fingerprint."""

    version: int
    fingerprint: str = ""
    """Empty if it is not known."""

    @classmethod
    def stored(cls, version: bytes | None, fingerprint: bytes | None) -> "Position":
        """Return the position that Redis holds; older builds write the version alone."""
        number, text = int(version or 0), (fingerprint or b"").decode()
        return cls(number, text if text.startswith(f"{number}.") else "")

    @property
    def first(self) -> int:
        """First version of the commit; without a fingerprint the version after it."""
        return int(self.fingerprint.split(".")[1]) if self.fingerprint else self.version + 1


_START: Final = Position(0)


class Change(NamedTuple):
    """Describe one call of apply.lua: the changes to a read model by some events of a stream."""

    location: KeyLocation
    mode: Mode
    start: Position
    """Where the stream was before the last commit of the change, see apply.lua."""
    last: Position
    """Where the stream is after the change."""
    arguments: tuple[str | bytes, ...]
    boards: tuple[str, ...] = ()
    """Keys of the sorted sets that the arguments refer to by number."""

    def command(self) -> tuple[Any, ...]:
        """Return the Redis command that applies the change."""
        at = self.location
        return APPLY.command(
            [at.version_key, at.data_key, at.fingerprint_key, *self.boards],
            [
                at.version_field,
                at.fingerprint_field,
                self.mode,
                *self.start,
                *self.last,
                *self.arguments,
            ],
        )


@dataclass(slots=True)
class ProjectionCounts:
    """Count changes by the status that apply.lua returned."""

    applied: int = 0
    duplicates: int = 0
    gaps: int = 0

    def add(self, statuses: Sequence[bytes]) -> None:
        self.applied += statuses.count(b"applied")
        self.duplicates += statuses.count(b"duplicate") + statuses.count(b"ahead")
        self.gaps += statuses.count(b"gap") + statuses.count(b"other")


def build_change(
    target: Target[E], history: History[E], stored: Stored, base: Position | None = None
) -> Change | None:
    """Fold a history into a change, or return None if it holds no events.

    `stored` holds the fields that the read model needs, as they are at `base`, the position at
    which the history begins; None for a history from the first event.

    Raises:
        FoldFailed: the fold raised an error.
    """
    if not history.commits:
        return None
    stream = history.head.stream
    try:
        fields = target.model.changes(stream, history.events, stored)
    except Exception as error:  # a fold may raise anything; its stream is parked
        raise FoldFailed(error) from error
    mode: Mode = "first" if base is None else "next"
    start = base or _before_last(history)
    return _change(target, mode, start, history, fields)


async def build_replacement(
    target: Target[E], history: History[E], found: Position, stored: Stored
) -> Change:
    """Build the change that replaces what is stored of a stream by the fold of its log.

    `found` is the stored position, `stored` holds every stored field of the stream.

    Raises:
        FoldFailed: the fold raised an error.
    """
    try:
        removal = target.model.removal(history.head.stream, stored)
        fields = {**removal, **await fold_in_slices(target.model, history)}
    except Exception as error:  # a fold may raise anything; its stream is parked
        raise FoldFailed(error) from error
    return _change(target, "replace", found, history, fields)


async def fold_in_slices(model: ReadModel[E], history: History[E]) -> FieldChanges:
    """Return the changes by a complete history; other tasks run between two slices of it."""
    changes: dict[str | BoardMember, bytes | float | None] = {}
    stream = history.head.stream
    async for commits in slices(history.commits, weigh=lambda commit: commit.size):
        events = tuple(event for commit in commits for event in commit.events)
        needed = {name: changes.get(name) for name in model.needs(stream, events)}
        stored = {name: value for name, value in needed.items() if isinstance(value, bytes)}
        changes |= model.changes(stream, events, stored)
    return changes


def _before_last(history: History[E]) -> Position:
    """Return the position before the last commit of a complete history."""
    if len(history.commits) == 1:
        return _START
    before = history.commits[-2]
    return Position(before.last, before.fingerprint)


def _change(
    target: Target[E], mode: Mode, start: Position, history: History[E], fields: FieldChanges
) -> Change:
    location = target.location(history.head.stream)
    arguments: list[str | bytes] = []
    boards: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(name, BoardMember):
            key = board_key(location.data_key, name.board)
            number = boards.setdefault(key, str(len(boards) + FIRST_BOARD))
            arguments += ["<", number, name.member] if value is None else []
            arguments += [] if value is None else [">", number, name.member, _score(value)]
        else:
            arguments += ["-", name] if value is None else ["+", name, _bytes(value)]
    last = Position(history.head.version, history.fingerprint)
    return Change(location, mode, start, last, tuple(arguments), tuple(boards))


def _score(value: bytes | float) -> str:
    """Format a score with all significant digits, so that Redis reads back the same number."""
    return repr(float(value))


def _bytes(value: bytes | float) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a hash field takes bytes")
    return value
