"""Wait, within bounds, for what a request depends on and what is still on its way."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from gateway.http.change_feed import ChangeFeed

T = TypeVar("T")

PAUSE_SECONDS: Final = 0.2
"""Seconds between two looks, unless the stream changes earlier."""


async def wait_until_found(
    changes: ChangeFeed, stream: str, look: Callable[[], Awaitable[T | None]], seconds: float
) -> T | None:
    """Look at once and whenever a stream changes; return what is found.

    None if nothing is found within `seconds`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    with changes.watch(stream) as changed:
        while True:
            changed.clear()
            if (found := await look()) is not None:
                return found
            if (left := deadline - loop.time()) <= 0:
                return None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, PAUSE_SECONDS)):
                    await changed.wait()
