"""Refer to read models: the owning service, the name and the type that readers receive.

The service that owns a read model declares its projection with the reference, and readers read
with the same reference, so that a type checker compares both sides.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from contracts.messages import View

V = TypeVar("V", bound=View)
I = TypeVar("I", bound=View)  # noqa: E741  the item of a list, next to V, the view


@dataclass(frozen=True, slots=True)
class DocumentRef(Generic[V]):
    """Refer to a read model that holds one view per stream. Key: the stream id."""

    service: str
    name: str
    view: type[V]


@dataclass(frozen=True, slots=True)
class IndexRef:
    """Refer to a read model that maps text keys to text values, for all streams together."""

    service: str
    name: str


@dataclass(frozen=True, slots=True)
class BoardRef(Generic[V]):
    """Refer to a read model that holds one view per stream and orders the streams on boards.

    Key of a view: the stream id.
    """

    service: str
    name: str
    view: type[V]


@dataclass(frozen=True, slots=True)
class ListRef(Generic[V, I]):
    """Refer to a read model that holds a list per stream: a summary and items, ordered by scores.

    Key of a list: the stream id. Key of an item: its id within the stream.
    """

    service: str
    name: str
    view: type[V]
    """Type of the summary."""
    item: type[I]


ReadModelRef = DocumentRef[V] | IndexRef | BoardRef[V] | ListRef[V, Any]
