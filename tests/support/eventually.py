"""Waiting for what happens elsewhere, without guessing how long it takes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], *, seconds: float = 20) -> T:
    """The first true answer of `look`; the last false one is told when time runs out."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not (seen := await look()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"still {seen!r} after {seconds} s")
        await asyncio.sleep(0.01)
    return seen
