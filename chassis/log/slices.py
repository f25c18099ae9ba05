"""Divide long work into slices, so that the event loop serves others in between."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

SLICE: Final = 200
"""Commits that are decoded or folded at once; a few milliseconds of work."""


async def slices(items: Sequence[T], size: int = SLICE) -> AsyncIterator[Sequence[T]]:
    """Yield the items in order, at most `size` at a time; other tasks run after each full slice."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
        if start + size <= len(items):
            await asyncio.sleep(0)
