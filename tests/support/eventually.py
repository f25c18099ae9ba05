"""Wait for what happens in other tasks and processes, without guessing how long it takes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(check: Callable[[], Awaitable[T]], *, seconds: float = 20) -> T:
    """Return the first true result of `check`.

    Raises:
        AssertionError: none was true in time; the message shows the last result.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while not (result := await check()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"still {result!r} after {seconds} s")
        await asyncio.sleep(0.01)
    return result
