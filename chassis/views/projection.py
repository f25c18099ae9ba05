"""Declare read models: a name and a pure fold from events to the document that is served."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar, Generic, NamedTuple, Protocol, TypeVar

from chassis.views.keys import DOCUMENT_FIELD, item_field, item_of_field
from contracts.messages import Event, View
from contracts.read_models import BoardRef, DocumentRef, IndexRef, ListRef

E = TypeVar("E", bound=Event)
E_contra = TypeVar("E_contra", bound=Event, contravariant=True)
V = TypeVar("V", bound=View)
I = TypeVar("I", bound=View)  # noqa: E741  the item of a list, next to V, the view


class BoardMember(NamedTuple):
    """Identify a member of a sorted set next to the hash: of a board, or of an order of a list."""

    board: str
    member: str


FieldChanges = Mapping[str | BoardMember, bytes | float | None]
"""Hash field -> bytes, or board member -> score, to set; None deletes it."""
Stored = Mapping[str, bytes]
"""Hash field -> its stored bytes, of those that exist."""


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

    def needs(self, stream: str, events: Iterable[E_contra]) -> Sequence[str]:
        """Return the hash fields whose stored values `changes` needs to fold these events."""

    def changes(self, stream: str, events: Iterable[E_contra], stored: Stored) -> FieldChanges:
        """Return the changes by these events of one stream.

        `stored` holds the fields named by `needs` as they were before the events; it is empty for
        a history from the first event. Folding a history in parts makes the same changes as
        folding it at once.
        """

    def removal(self, stream: str, stored: Stored) -> FieldChanges:
        """Return the changes that remove what is stored of a stream.

        `stored` holds all fields of the stream's own hash, or of a shared one the fields named by
        `needs`. An index cannot tell which of its entries belong to a stream and removes none.
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

    def needs(self, stream: str, events: Iterable[E]) -> Sequence[str]:
        del stream, events
        return (DOCUMENT_FIELD,)

    def changes(self, stream: str, events: Iterable[E], stored: Stored) -> FieldChanges:
        del stream  # the document's key names it
        view = _parsed(self.ref.view, stored.get(DOCUMENT_FIELD))
        view = reduce(self.fold, events, view)
        return {DOCUMENT_FIELD: _dumped(view)}

    def removal(self, stream: str, stored: Stored) -> FieldChanges:
        del stream
        return dict.fromkeys(stored)


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

    def needs(self, stream: str, events: Iterable[E]) -> Sequence[str]:
        del stream, events
        return ()

    def changes(self, stream: str, events: Iterable[E], stored: Stored) -> FieldChanges:
        del stream, stored  # entries do not depend on earlier ones
        merged: dict[str | BoardMember, bytes | float | None] = {}
        for event in events:
            for key, value in self.entries(event).items():
                merged[key] = None if value is None else value.encode()
        return merged

    def removal(self, stream: str, stored: Stored) -> FieldChanges:
        del stream, stored
        return {}


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

    def needs(self, stream: str, events: Iterable[E]) -> Sequence[str]:
        del events
        return (stream,)

    def changes(self, stream: str, events: Iterable[E], stored: Stored) -> FieldChanges:
        view = _parsed(self.ref.view, stored.get(stream))
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

    def removal(self, stream: str, stored: Stored) -> FieldChanges:
        if (view := _parsed(self.ref.view, stored.get(stream))) is None:
            return {}
        changes: dict[str | BoardMember, None] = {stream: None}
        return changes | dict.fromkeys(BoardMember(board, stream) for board in self.scores(view))


class ListState(NamedTuple, Generic[V, I]):
    """Hold what the fold of a list sees: the summary, and those items that the event touches."""

    summary: V | None
    """None: the list has no summary yet."""
    items: Mapping[str, I]
    """Item id -> item; an item that does not exist is absent."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[E, V, I]):
    """Store a list per stream: a summary, and items that are read and written one by one.

    For lists that grow with their stream: an event costs the same however long the list is.
    `touched` returns the ids of the items that an event may create, change or delete. The fold
    receives those of them that exist, and returns the new summary and items; an item that it
    leaves out is deleted. `scores` returns the orders that an item is in and its score in each.
    Within one order the scores of a stream's items must differ, because pages begin after a score.
    """

    shared: ClassVar[bool] = False
    ref: ListRef[V, I]
    touched: Callable[[E], Iterable[str]]
    fold: Callable[[ListState[V, I], E], ListState[V, I]]
    scores: Callable[[I], Mapping[str, float]]
    version: int = 1

    @property
    def name(self) -> str:
        return self.ref.name

    def needs(self, stream: str, events: Iterable[E]) -> Sequence[str]:
        del stream
        ids = dict.fromkeys(item_id for event in events for item_id in self.touched(event))
        return (DOCUMENT_FIELD, *map(item_field, ids))

    def changes(self, stream: str, events: Iterable[E], stored: Stored) -> FieldChanges:
        del stream  # the list's key names it
        summary = _parsed(self.ref.view, stored.get(DOCUMENT_FIELD))
        items: dict[str, I | None] = {}
        existed: set[str] = set()
        scores: dict[BoardMember, float | None] = {}
        for event in events:
            ids = tuple(self.touched(event))
            for item_id in ids:
                if item_id not in items:
                    items[item_id] = _parsed(self.ref.item, stored.get(item_field(item_id)))
            before = {each: item for each in ids if (item := items[each]) is not None}
            after = self.fold(ListState(summary, before), event)
            if not after.items.keys() <= set(ids):
                raise ValueError(f"{event} changes items that it does not touch")
            summary = after.summary
            existed |= {*before, *after.items}
            for item_id in ids:
                items[item_id] = after.items.get(item_id)
                scores |= self._scores(item_id, before.get(item_id), items[item_id])
        changes: dict[str | BoardMember, bytes | float | None] = {DOCUMENT_FIELD: _dumped(summary)}
        changes |= {item_field(each): _dumped(items[each]) for each in items if each in existed}
        return changes | scores

    def removal(self, stream: str, stored: Stored) -> FieldChanges:
        del stream
        changes: dict[str | BoardMember, None] = dict.fromkeys(stored)
        for name, body in stored.items():
            if (item_id := item_of_field(name)) is not None:
                item = self.ref.item.model_validate_json(body)
                changes |= dict.fromkeys(BoardMember(o, item_id) for o in self.scores(item))
        return changes

    def _scores(
        self, item_id: str, before: I | None, after: I | None
    ) -> dict[BoardMember, float | None]:
        """Return the item's new scores, and None for each order that it has left."""
        scores: dict[str, float | None] = {}
        if before is not None:
            scores |= dict.fromkeys(self.scores(before))
        if after is not None:
            scores |= self.scores(after)
        return {BoardMember(order, item_id): score for order, score in scores.items()}


def _parsed(view: type[V], stored: bytes | None) -> V | None:
    return None if stored is None else view.model_validate_json(stored)


def _dumped(view: View | None) -> bytes | None:
    return None if view is None else view.model_dump_json().encode()
