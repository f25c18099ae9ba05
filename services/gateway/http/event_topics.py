"""Describe what event streams show: topics, and the states that are sent of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from chassis.views.read_models import Document
from gateway.http.event_ids import Position


@dataclass(frozen=True, slots=True)
class State:
    """Describe what a topic shows at one time."""

    position: Position
    body: bytes
    """The data of the event: JSON without line breaks."""
    is_final: bool = False
    """Whether it will not change any more."""
    streams: frozenset[str] = frozenset()
    """Further streams of the log whose changes may change it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Describe a kind of events of a stream."""

    name: str
    load: Callable[[], Awaitable[State | None]]
    """Return the current state; None if there is none yet."""
    is_ordered: bool = True
    """Whether positions only grow; otherwise any other position is a change."""
    look_seconds: float | None = None
    """How often to look for changes that are not published; default: with each heartbeat."""

    def is_news(self, state: State, seen: Position) -> bool:
        """Return whether a state is to be sent after `seen`."""
        return state.position > seen if self.is_ordered else state.position != seen


def document_state(document: Document[Any] | None, *, is_final: bool = False) -> State | None:
    """Return the state of a topic that shows a stored document as it is."""
    if document is None:
        return None
    return State((document.version,), document.body, is_final)
