"""Limit the event streams that a person has open: the newest takes the place of the oldest."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from cognito_jwt import Caller

MAX_OPEN: Final = 3
UNACKNOWLEDGED_SECONDS: Final = 15.0
"""Seconds after which a connection is closed whose client acknowledges nothing.

Together with the time between two heartbeats this frees a vanished client's place within 30 s.
"""


@dataclass(eq=False, slots=True)
class OpenStream:
    """Represent an open event stream of a caller."""

    caller: Caller
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the stream has to end, whatever its client does."""
    superseded: bool = False
    """Whether it ends because the person has opened too many newer ones."""


@dataclass(slots=True)
class OpenStreams:
    """Hold the open streams of this process by person, the oldest first."""

    max_open: int = MAX_OPEN
    _by_person: dict[str, list[OpenStream]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[OpenStream]:
        return (stream for streams in self._by_person.values() for stream in streams)

    def __len__(self) -> int:
        return sum(map(len, self._by_person.values()))

    @contextlib.contextmanager
    def add(self, caller: Caller) -> Iterator[OpenStream]:
        """Add a stream while the context is entered; end the person's oldest if it is one too many.

        The oldest is the most likely to belong to a client that has vanished.
        """
        stream, person = OpenStream(caller), caller.subject
        streams = self._by_person.setdefault(person, [])
        while len(streams) >= self.max_open:
            oldest = streams.pop(0)
            oldest.superseded = True
            oldest.ended.set()
        streams.append(stream)
        try:
            yield stream
        finally:
            self._remove(person, stream)

    def _remove(self, person: str, stream: OpenStream) -> None:
        streams = self._by_person.get(person, [])
        if stream in streams:
            streams.remove(stream)
        if not streams:
            self._by_person.pop(person, None)


def close_if_unacknowledged(request: web.Request) -> None:
    """Let the kernel close a connection whose peer does not acknowledge what was sent.

    Otherwise it tries for a quarter of an hour. A heartbeat fits into the socket's buffer, so that
    a write does not notice it.
    """
    transport = request.transport
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    milliseconds = int(UNACKNOWLEDGED_SECONDS * 1_000)
    with contextlib.suppress(OSError):  # it is closed already
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
