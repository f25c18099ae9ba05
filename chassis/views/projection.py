"""Declare read models: a name and a pure fold from events to the document that is served."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar, Generic, NamedTuple, Protocol, TypeVar

from chassis.views.keys import DOCUMENT_FIELD
from contracts.messages import Event, View
from contracts.read_models import BoardRef, DocumentRef, IndexRef

E = TypeVar("E", bound=Event)
E_contra = TypeVar("E_contra", bound=Event, contravariant=True)
V = TypeVar("V", bound=View)


class BoardMember(NamedTuple):
    """Identify a member of a board: a sorted set next to the shared hash of an `Ordering`."""

    board: str
    member: str


FieldChanges = Mapping[str | BoardMember, bytes | float | None]
"""Hash field -> bytes, or board member -> score, to set; None deletes it."""


class ReadModel(Protocol[E_contra]):
    """Describe a read model that a projector keeps up to date."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Version of the fold. Raise it when the fold changes: the read model is then rebuilt."""

    @property
    def shared(self) -> bool:
        """True if all streams write into one hash, False if each has its own."""

    def changes(self, stream: str, events: Iterable[E_contra], base: bytes | None) -> FieldChanges:
        """Return the changes by these events of one stream.

        `base` is the document before the events, None if there is none; for a shared read model
        it is the value of the hash field that has the stream's name.
        """


@dataclass(frozen=True, slots=True)
class Projection(Generic[E, V]):
    """Fold each stream into one document; a fold that returns None deletes the document."""

    shared: ClassVar[bool] = False
    ref: DocumentRef[V]
    fold: Callable[[V | None, E], V | None]
    version: int = 1

    @property
    def name(self) -> str:
        return self.ref.name

    def changes(self, stream: str, events: Iterable[E], base: bytes | None) -> FieldChanges:
        del stream  # the document's key names it
        view = None if base is None else self.ref.view.model_validate_json(base)
        view = reduce(self.fold, events, view)
        return {DOCUMENT_FIELD: None if view is None else view.model_dump_json().encode()}


@dataclass(frozen=True, slots=True)
class Index(Generic[E]):
    """Maintain look-up entries that all streams share, such as code -> stream.

    `entries` returns what an event sets or, with None, deletes. An entry must belong to one stream
    at a time, because only the events of one stream are ordered.
    """

    shared: ClassVar[bool] = True
    ref: IndexRef
    entries: Callable[[E], Mapping[str, str | None]]
    version: int = 1

    @property
    def name(self) -> str:
        return self.ref.name

    def changes(self, stream: str, events: Iterable[E], base: bytes | None) -> FieldChanges:
        del stream, base  # entries do not depend on earlier ones
        merged: dict[str | BoardMember, bytes | float | None] = {}
        for event in events:
            for key, value in self.entries(event).items():
                merged[key] = None if value is None else value.encode()
        return merged


@dataclass(frozen=True, slots=True)
class Ordering(Generic[E, V]):
    """Store one entry per stream in a shared hash, and order the streams on boards (sorted sets).

    `scores` returns the boards that an entry is on and its score on each. It must go on naming a
    board that the entry has left, with None, because a fold may be repeated. A fold that returns
    None removes the entry from all its boards.
    By convention the integer part of a score decides the rank; its fraction orders equal ranks.
    """

    shared: ClassVar[bool] = True
    ref: BoardRef[V]
    fold: Callable[[V | None, E], V | None]
    scores: Callable[[V], Mapping[str, float | None]]
    version: int = 1

    @property
    def name(self) -> str:
        return self.ref.name

    def changes(self, stream: str, events: Iterable[E], base: bytes | None) -> FieldChanges:
        view = None if base is None else self.ref.view.model_validate_json(base)
        changes: dict[str | BoardMember, bytes | float | None] = {}
        for event in events:
            previous, view = view, self.fold(view, event)
            if view is None and previous is not None:
                changes[stream] = None
                changes |= {BoardMember(board, stream): None for board in self.scores(previous)}
        if view is not None:
            changes[stream] = view.model_dump_json().encode()
            for board, score in self.scores(view).items():
                changes[BoardMember(board, stream)] = score
        return changes
