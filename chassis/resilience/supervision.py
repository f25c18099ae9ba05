"""Keep background tasks running: a failure is registered and logged once, never the end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from chassis.resilience.outage import is_outage, pause_seconds
from chassis.resilience.outages import OUTAGES, Outages

STABLE_SECONDS: Final = 5.0
"""Seconds that a restarted task has to run before it counts as recovered."""


async def attempt(
    name: str,
    work: Callable[[], Awaitable[object]],
    *,
    outages: Outages = OUTAGES,
    operation: object = None,
) -> bool:
    """Run one round of a task; register a failure instead of raising it, and return False.

    `operation` identifies the round in `outages`; default: the task of this name.
    """
    operation = operation or ("task", name)
    try:
        await work()
    except Exception as error:  # noqa: BLE001  registered, logged and visible in /readyz
        outages.failed(operation, error, task=None if is_outage(error) else name)
        return False
    outages.succeeded(operation)
    return True


async def supervise(
    name: str,
    work: Callable[[], Awaitable[object]],
    *,
    outages: Outages = OUTAGES,
    stable_seconds: float = STABLE_SECONDS,
) -> None:
    """Run a task until it returns; restart it with a growing pause whenever it fails."""
    loop = asyncio.get_running_loop()
    operation = "supervised", name
    failures = 0
    try:
        while not outages.stopping:
            started = loop.time()
            recovered = loop.call_later(stable_seconds, outages.succeeded, operation)
            try:
                if await attempt(name, work, outages=outages, operation=operation):
                    return
            finally:
                recovered.cancel()
            failures = 1 if loop.time() - started >= stable_seconds else failures + 1
            await outages.pause(pause_seconds(failures))
    finally:
        outages.abandoned(operation)  # unless it has succeeded
