"""Build the changes that projecting makes in Redis, and apply each of them exactly once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from chassis.log.event_store import History
from chassis.views.keys import KeyLocation, board_key, document_location, shared_location
from chassis.views.projection import BoardMember, ReadModel, Stored
from chassis.views.scripts import LuaScript
from contracts.messages import Event

E = TypeVar("E", bound=Event)

APPLY: Final = LuaScript.load("chassis.views", "apply.lua")
FIRST_BOARD: Final = 3
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


@dataclass(frozen=True, slots=True)
class Change:
    """Describe one call of apply.lua: the changes by events `start + 1` to `last` of a stream."""

    location: KeyLocation
    start: int
    """Stream version before the change; 0 if it was folded from the first event."""
    last: int
    """Stream version after the change."""
    arguments: tuple[str | bytes, ...]
    boards: tuple[str, ...] = ()
    """Keys of the boards that the arguments refer to by number."""

    def command(self) -> tuple[Any, ...]:
        """Return the Redis command that applies the change."""
        location = self.location
        return APPLY.command(
            [location.version_key, location.data_key, *self.boards],
            [location.version_field, self.start, self.last, *self.arguments],
        )


@dataclass(slots=True)
class ProjectionCounts:
    """Count changes by the status that apply.lua returned."""

    applied: int = 0
    duplicates: int = 0
    gaps: int = 0

    def add(self, statuses: Sequence[bytes]) -> None:
        self.applied += statuses.count(b"applied")
        self.duplicates += statuses.count(b"duplicate")
        self.gaps += statuses.count(b"gap")


def build_change(target: Target[E], history: History[E], stored: Stored) -> Change | None:
    """Fold a history into a change, or return None if it holds no events.

    `stored` holds the fields that the read model needs, as they are at version `history.after`.

    Raises:
        FoldFailed: the fold raised an error.
    """
    if history.head.version <= history.after:
        return None
    stream = history.head.stream
    location = target.location(stream)
    try:
        fields = target.model.changes(stream, history.events, stored)
    except Exception as error:  # a fold may raise anything; its stream is parked
        raise FoldFailed(error) from error
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
    return Change(location, history.after, history.head.version, tuple(arguments), tuple(boards))


def _score(value: bytes | float) -> str:
    """Format a score with all significant digits, so that Redis reads back the same number."""
    return repr(float(value))


def _bytes(value: bytes | float) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a hash field takes bytes")
    return value
