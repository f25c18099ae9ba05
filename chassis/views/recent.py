"""Remember the streams that were projected last, to project them again if Redis lost them."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

CAPACITY: Final = 20_000
"""Streams that are remembered: those of many seconds at the highest rate, in a few megabytes."""


@dataclass(slots=True)
class RecentStreams:
    """Remember the version of each recently projected stream; the oldest are forgotten first."""

    capacity: int = CAPACITY
    _versions: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def add(self, stream: str, version: int) -> None:
        """Remember a stream that is projected to a version."""
        self._versions[stream] = max(version, self._versions.pop(stream, 0))
        if len(self._versions) > self.capacity:
            self._versions.popitem(last=False)

    def versions(self) -> dict[str, int]:
        """Return a copy: stream -> version that was projected."""
        return dict(self._versions)
