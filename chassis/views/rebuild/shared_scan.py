"""Let the rebuilds of several read models read the log by one scan.

Each page is read and decoded once, and stays in memory until every rebuild has worked through it. A
page is only given to rebuilds that had announced their generation before it was read, as a separate
scan would: `chassis.views.rebuild.run` begins them first.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from chassis.log.event_store import EventStore, Page
from contracts.messages import Event

E = TypeVar("E", bound=Event)

PAGES_AHEAD: Final = 2
"""Pages of a segment that the fastest rebuild may be ahead of the slowest."""
PATIENCE_SECONDS: Final = 3.0
"""Seconds that rebuilds wait, once in a segment, for one that is not at the same page: it may have
worked there earlier, or another process may be working there."""
WORKING_AT_ONCE: Final = 12
"""Pages that are projected at the same time."""


class Scan(Protocol[E]):
    """Scan a log, as `EventStore.scan` does."""

    def __call__(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[Page[E]]: ...


Segment = tuple[int, int]
"""Number of a segment, and into how many the log is divided."""


@dataclass(slots=True)
class _SharedPage(Generic[E]):
    number: int
    """How many pages had been requested before."""
    reading: asyncio.Task[Page[E]]
    read_by: set[str] = field(default_factory=set)


@dataclass(slots=True)
class SharedScan(Generic[E]):
    """Scan a store for several readers at about the same pace."""

    store: EventStore[E]
    readers: set[str]
    """Rebuilds that are expected to read."""
    _pages: dict[Segment, dict[str | None, _SharedPage[E]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    """Segment -> cursor -> page."""
    _absent: set[tuple[Segment, str]] = field(default_factory=set)
    """Readers for which the others do not wait in a segment."""
    _joined: dict[str, int] = field(default_factory=dict)
    """Reader -> how many pages had been requested before it began."""
    _requested: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _working: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WORKING_AT_ONCE))

    def join(self, name: str) -> "Scan[E]":
        """Return the scan for a reader whose generation has been announced."""
        self._joined[name] = self._requested
        return partial(self._scan, name)

    def leave(self, name: str) -> None:
        """Stop waiting for a reader."""
        self.readers.discard(name)
        for segment in list(self._pages):
            self._drop_read(segment)

    async def _scan(
        self, name: str, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[Page[E]]:
        while True:
            page = await self._page(name, (segment, segments), cursor)
            async with self._working:
                yield page
            if page.cursor is None:
                return
            cursor = page.cursor

    async def _page(self, name: str, segment: Segment, cursor: str | None) -> Page[E]:
        page = self._pages[segment].get(cursor)
        if page is None or page.number < self._joined[name]:
            await self._wait_for_others(segment)
            page = self._pages[segment].get(cursor)
        if page is None or page.number < self._joined[name]:
            page = self._request(segment, cursor)
        page.read_by.add(name)
        self._drop_read(segment)
        try:
            return await asyncio.shield(page.reading)
        except BaseException:
            self._pages[segment].pop(cursor, None)  # the next attempt reads it again
            raise

    def _request(self, segment: Segment, cursor: str | None) -> _SharedPage[E]:
        reading = asyncio.create_task(self._read(segment, cursor))
        page = self._pages[segment][cursor] = _SharedPage(self._requested, reading)
        self._requested += 1
        return page

    async def _read(self, segment: Segment, cursor: str | None) -> Page[E]:
        number, segments = segment
        scan: Any = self.store.scan(segment=number, segments=segments, cursor=cursor)
        async with aclosing(scan) as pages:  # every implementation is a generator
            async for page in pages:
                return page  # type: ignore[no-any-return]  # `aclosing` knows generators only
        raise AssertionError("a scan yields a page")

    async def _wait_for_others(self, segment: Segment) -> None:
        """Wait until there is room for one more page of the segment."""
        while len(self._pages[segment]) >= PAGES_AHEAD:
            self._changed.clear()
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                oldest = next(iter(self._pages[segment].values()), None)
                if oldest is not None:
                    late = self.readers - oldest.read_by
                    self._absent |= {(segment, name) for name in late}
                    self._drop_read(segment)

    def _drop_read(self, segment: Segment) -> None:
        """Drop the pages that every reader has read, except the absent ones."""
        expected = {name for name in self.readers if (segment, name) not in self._absent}
        pages = self._pages[segment]
        for cursor in [cursor for cursor, page in pages.items() if expected <= page.read_by]:
            del pages[cursor]
            self._changed.set()
