"""Write and read the ids of events: whose stream they are of, and how far each topic was sent."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from gateway.http.problems import Problem, malformed
from gateway.http.requests import single_header

Position = tuple[int, ...]
"""Place of a state in the history of its topic; later states have greater positions."""

LAST_EVENT_ID: Final = "Last-Event-ID"
PATTERN: Final = r"^([0-9a-f]{12}(-[a-z]+([.][0-9]{1,15})+)+)?$"
"""`<digest of the stream>-<topic>.<position>…`; an empty id is none."""
_ID: Final = re.compile(PATTERN, re.ASCII)
_VERSION: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_MAX_LENGTH: Final = 400


@dataclass(frozen=True, slots=True)
class Seen:
    """Describe what a client has received before it reconnects."""

    positions: Mapping[str, Position] = field(default_factory=dict)
    """By topic."""
    scoped: bool = True
    """False for the number alone that earlier builds sent, which may be of any account."""

    def of(self, topic: str) -> Position:
        """Return the position that was sent last; an empty one if none was."""
        return self.positions.get(topic, ())


def event_id(stream: str, positions: Mapping[str, Position]) -> str:
    """Return the id of an event, after which these positions of the topics have been sent."""
    parts = [".".join((topic, *map(str, at))) for topic, at in sorted(positions.items())]
    return "-".join((_scope(stream), *parts))


def last_event_id(request: web.Request, stream: str, topics: Sequence[str]) -> Seen:
    """Return what the client has received, by its `Last-Event-ID`.

    Raises:
        Problem: 400 if it is the id of an event of another stream, or of none.
    """
    raw = (single_header(request, LAST_EVENT_ID) or "").strip()
    if not raw:
        return Seen()
    if _VERSION.fullmatch(raw):
        version = int(raw)
        return Seen({topics[0]: (version,)} if version else {}, scoped=False)
    if len(raw) > _MAX_LENGTH or _ID.fullmatch(raw) is None:
        raise malformed("Last-Event-ID must be the id of an event of this stream.")
    scope, *parts = raw.split("-")
    if scope != _scope(stream):
        raise of_another_stream()
    split = (part.split(".") for part in parts)
    return Seen({topic: tuple(map(int, at)) for topic, *at in split})


def of_another_stream() -> Problem:
    """Return 400 for an id that no event of this stream has had."""
    detail = (
        "This Last-Event-ID is not from the events of this account or job. "
        "Open the stream without it."
    )
    return Problem(400, "wrong_event_id", detail)


def _scope(stream: str) -> str:
    return hashlib.sha256(stream.encode()).hexdigest()[:12]
