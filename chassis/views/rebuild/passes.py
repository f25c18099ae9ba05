"""Work through one segment of a pass: a scan projects its commits, a sweep verifies its streams."""

import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from chassis.views.change import ProjectionCounts, Target
from chassis.views.inspection import Inspection
from chassis.views.projector import Projector
from chassis.views.rebuild.shared_scan import Scan
from contracts.messages import Event

E = TypeVar("E", bound=Event)

SAMPLE: Final = 256
"""One stream in this many is compared completely with the log before a generation is served."""


class PageDone(NamedTuple):
    """Describe a page of a pass that has been worked through."""

    cursor: str | None
    """Where the next page begins; None after the last one."""
    counts: Mapping[str, int]
    """What to add to the counts of the plan."""
    read_units: float
    """DynamoDB read units that the page took."""
    differing: str | None = None
    """A stream whose projection differs from the log; the rebuild must fail."""


@dataclass(frozen=True, slots=True)
class SegmentPass(Generic[E]):
    """Scan or sweep one segment of the log into one generation, beginning at a cursor."""

    projector: Projector[E]
    target: Target[E]
    segment: int
    segments: int
    cursor: str | None
    read_pages: Scan[E]
    """Scans the log."""

    async def scan(self) -> AsyncIterator[PageDone]:
        """Project every commit of the segment."""
        pages = self.read_pages(segment=self.segment, segments=self.segments, cursor=self.cursor)
        async for page in pages:
            counts = ProjectionCounts()
            await self.projector.project_page(self.target, page, counts)
            events = sum(len(commit.events) for commit in page.commits)
            done = {"commits": len(page.commits), "events": events, **asdict(counts)}
            yield PageDone(page.cursor, done, page.read_units)

    async def sweep(self) -> AsyncIterator[PageDone]:
        """Bring every stream of the segment to its head, and compare a sample with the log."""
        pages = self.projector.store.scan_heads(
            segment=self.segment, segments=self.segments, cursor=self.cursor
        )
        inspection = Inspection(self.projector)
        async for page in pages:
            repaired = 0
            for stream in await inspection.lagging(self.target, page.heads):
                repaired += await self.projector.catch_up(self.target, stream)
            sample = {s for s in page.heads if zlib.crc32(s.encode()) % SAMPLE == 0}
            differing = await self._differing({*sample, *list(page.heads)[:1]}, inspection)
            counts = {"behind": repaired, "behind_ever": repaired}
            yield PageDone(page.cursor, counts, page.read_units, differing)

    async def _differing(self, streams: set[str], inspection: Inspection[E]) -> str | None:
        for stream in streams:
            if await inspection.differs(self.target, stream):
                return stream
        return None
