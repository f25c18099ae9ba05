"""Load every stream of a store, or each that changed, for computations over many histories."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from chassis.log.event_store import Commit, EventStore, Head, History, UnknownEvent
from chassis.log.slices import slices

E = TypeVar("E")

LOADS_AT_ONCE: Final = 16
"""Streams that are loaded concurrently."""


@dataclass(slots=True)
class Histories(Generic[E]):
    """Read the history of every stream, and list the streams that cannot be read completely."""

    store: EventStore[E]
    unreadable: dict[str, str] = field(default_factory=dict)
    """Stream -> why it ends early. Complete once all histories were read."""

    async def read(self) -> AsyncIterator[History[E]]:
        """Yield the history of each stream, in no particular order of the streams.

        One page and one stream are in memory at a time. A scan keeps the commits of a stream
        together (in DynamoDB they share a partition key); their order within it is not relied
        upon. A stream that is unreadable from a version on ends before it, as its read models do:
        it is listed in `unreadable`, and the other streams are yielded.
        """
        run: dict[int, Commit[E]] = {}
        stream = ""
        async for page in self.store.scan():
            self.unreadable |= dict(page.unreadable)
            for commit in page.commits:
                if run and commit.stream != stream:
                    yield self._history(stream, run)
                    run = {}
                stream = commit.stream
                run[commit.first] = commit
        if run:
            yield self._history(stream, run)

    async def changed(self, since_ms: int) -> AsyncIterator[History[E]]:
        """Yield the history of each stream with commits since a time (UNIX milliseconds).

        A scan with a filter finds them; their names are in memory. A stream that cannot be read
        completely is listed in `unreadable` and not yielded.
        """
        streams: set[str] = set()
        async for page in self.store.scan_heads(since_ms=since_ms):
            streams |= page.heads.keys()
        async for some in slices(sorted(streams), LOADS_AT_ONCE):
            for history in await asyncio.gather(*map(self._load, some)):
                if history is not None:
                    yield history

    async def _load(self, stream: str) -> History[E] | None:
        try:
            return await self.store.load(stream)
        except UnknownEvent as error:
            self.unreadable[stream] = f"{error}; it is left out"
            return None

    def _history(self, stream: str, run: dict[int, Commit[E]]) -> History[E]:
        commits: list[Commit[E]] = []
        version = 0
        for first in sorted(run):
            if first != version + 1:
                self.unreadable.setdefault(stream, f"version {version + 1} is missing")
                break
            commits.append(run[first])
            version = run[first].last
        return History(Head(stream, version), tuple(commits))
