"""Run work for many arguments in parallel."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def together(
    arguments: Iterable[T], work: Callable[[T], Awaitable[object]], at_once: int
) -> None:
    """Await `work` for every argument, `at_once` at the same time; cancel the rest on an error.

    Raises:
        Exception: the first error itself; callers expect it, not how many met it.
    """
    free = asyncio.Semaphore(at_once)

    async def limited(argument: T) -> None:
        async with free:
            await work(argument)

    try:
        async with asyncio.TaskGroup() as group:
            for argument in arguments:
                group.create_task(limited(argument))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
