"""Refer to read models: the owning service, the name and the type that readers receive.

The service that owns a read model declares its projection with the reference, and readers read
with the same reference, so that a type checker compares both sides.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from contracts.messages import View

V = TypeVar("V", bound=View)


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


ReadModelRef = DocumentRef[V] | IndexRef | BoardRef[V]
