"""Wait out an outage of a dependency instead of failing one message after another."""

import random
from collections.abc import Awaitable, Callable
from itertools import count
from time import monotonic
from typing import Final, TypeVar

from chassis.resilience.outages import OUTAGES, Outages
from chassis.resilience.refusals import is_dependency_error

T = TypeVar("T")

PATIENCE_SECONDS: Final = 11.5 * 3600.0
"""Seconds after which the outage is raised: SQS keeps no received message invisible for longer
than 12 hours."""
MAX_PAUSE_SECONDS: Final = 15.0
_FIRST_PAUSE_SECONDS: Final = 0.1


def is_outage(error: BaseException) -> bool:
    """Return whether the same call may succeed later although its caller changes nothing.

    Every error of a dependency is one, except the answer to a condition (`ConditionalCheckFailed`)
    and the refusal of a request that this program has built wrongly. An unknown refusal is an
    outage: a message waits for it, and is never moved to the dead-letter queue because of it.
    """
    return is_dependency_error(error)


def pause_seconds(attempt: int) -> float:
    """Return the pause after an attempt, counted from 1: at random, from a range that doubles."""
    longest = min(MAX_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(attempt - 1, 30))
    return random.uniform(longest / 2, longest)  # noqa: S311  jitter, not cryptography


async def retry_through_outage(
    work: Callable[[], Awaitable[T]],
    *,
    patience: float = PATIENCE_SECONDS,
    outages: Outages = OUTAGES,
) -> T:
    """Repeat idempotent work until no outage interrupts it; register the outage meanwhile.

    Raises:
        Exception: an error that is not an outage, at once; the outage itself after `patience`
            seconds, or when the process stops.
    """
    try:
        return await work()
    except Exception as error:
        if not is_outage(error):
            raise
        first = error
    operation = object()
    try:
        result = await _repeat(work, operation, first, patience, outages)
    except BaseException as ended:
        if isinstance(ended, Exception) and not is_outage(ended):
            outages.succeeded(operation)  # the dependency answered
        else:
            outages.abandoned(operation)
        raise
    outages.succeeded(operation)
    return result


async def _repeat(
    work: Callable[[], Awaitable[T]],
    operation: object,
    error: Exception,
    patience: float,
    outages: Outages,
) -> T:
    deadline = monotonic() + patience
    for attempt in count(1):
        outages.failed(operation, error)
        pause = pause_seconds(attempt)
        if monotonic() + pause > deadline:
            raise error
        await outages.pause(pause)
        if outages.stopping:
            raise error
        try:
            return await work()
        except Exception as latest:
            if not is_outage(latest):
                raise
            error = latest
    raise AssertionError("unreachable")
