"""Read models declared: a name and a pure fold from events to what readers are served."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar, Generic, NamedTuple, Protocol, TypeVar

from contracts.messages import Event, View

E = TypeVar("E", bound=Event)
E_contra = TypeVar("E_contra", bound=Event, contravariant=True)
V = TypeVar("V", bound=View)

DOCUMENT = "d"
"""The hash field that holds a document's bytes."""


class Rank(NamedTuple):
    """A member's place on a board: a sorted set beside the shared hash of an `Ordering`."""

    board: str
    member: str


Changes = Mapping[str | Rank, bytes | float | None]
"""Hash fields and ranks to set, or with None to delete."""


class ReadModel(Protocol[E_contra]):
    """What a projector can keep up to date."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Raised when the fold changes: what an older one has made is then built anew."""

    @property
    def shared(self) -> bool:
        """Whether all streams write into one hash, or each into its own."""

    def changes(self, stream: str, events: Iterable[E_contra], base: bytes | None) -> Changes:
        """What these events of one stream change; `base` is the document before them.

        Of a shared model, `base` is the hash field that has the stream's name.
        """


@dataclass(frozen=True, slots=True)
class Projection(Generic[E, V]):
    """One document per stream; `fold` is a second `evolve`, and None forgets the document."""

    shared: ClassVar[bool] = False
    name: str
    view: type[V]
    fold: Callable[[V | None, E], V | None]
    version: int = 1

    def changes(self, stream: str, events: Iterable[E], base: bytes | None) -> Changes:
        del stream  # it is in the document's key
        view = None if base is None else self.view.model_validate_json(base)
        view = reduce(self.fold, events, view)
        return {DOCUMENT: None if view is None else view.model_dump_json().encode()}


@dataclass(frozen=True, slots=True)
class Index(Generic[E]):
    """Look-up entries that all streams share, such as code -> stream.

    `entries` names what an event sets (or, with None, deletes). An entry belongs to one stream
    at a time, for only the events of one stream are ordered.
    """

    shared: ClassVar[bool] = True
    name: str
    entries: Callable[[E], Mapping[str, str | None]]
    version: int = 1

    def changes(self, stream: str, events: Iterable[E], base: bytes | None) -> Changes:
        del stream, base  # entries do not depend on what was there
        merged: dict[str | Rank, bytes | float | None] = {}
        for event in events:
            for key, value in self.entries(event).items():
                merged[key] = None if value is None else value.encode()
        return merged


@dataclass(frozen=True, slots=True)
class Ordering(Generic[E, V]):
    """An entry per stream in one shared hash, and boards (sorted sets) that order the streams.

    `scores` says on which boards an entry stands, and with which score. A board that an entry has
    once been on must be named for ever, with None if it left it: the fold may be repeated.
    By convention the whole part of a score ranks, and its fraction orders those of equal rank.
    """

    shared: ClassVar[bool] = True
    name: str
    view: type[V]
    fold: Callable[[V | None, E], V | None]
    scores: Callable[[V], Mapping[str, float | None]]
    version: int = 1

    def changes(self, stream: str, events: Iterable[E], base: bytes | None) -> Changes:
        view = None if base is None else self.view.model_validate_json(base)
        view = reduce(self.fold, events, view)
        if view is None:
            return {}
        changes: dict[str | Rank, bytes | float | None] = {stream: view.model_dump_json().encode()}
        for board, score in self.scores(view).items():
            changes[Rank(board, stream)] = score
        return changes
