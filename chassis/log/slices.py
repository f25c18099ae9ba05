"""Divide long work into slices, so that the event loop serves others in between."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, TypeVar

T = TypeVar("T")

SLICE: Final = 200
"""Events that are decoded or folded at once; a few milliseconds of work."""


def _one(_item: object) -> int:
    return 1


async def slices(
    items: Sequence[T], size: int = SLICE, *, weigh: Callable[[T], int] = _one
) -> AsyncIterator[Sequence[T]]:
    """Yield the items in order, of a total weight of at most `size` or a single one at a time.

    Other tasks run after each slice, unless all items are less than one. `weigh` returns how much
    work an item is, such as the number of events in a commit; default: 1.
    """
    start = weight = 0
    for end, item in enumerate(items):
        own = weigh(item)
        if end > start and weight + own > size:
            yield items[start:end]
            await asyncio.sleep(0)
            start, weight = end, 0
        weight += own
    if start < len(items):
        yield items[start:]
        if start or weight >= size:
            await asyncio.sleep(0)
