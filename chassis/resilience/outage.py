"""Sit out an outage of Redis or AWS instead of failing message after message."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
)
from redis.exceptions import BusyLoadingError, ReadOnlyError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 15.0
PATIENCE_SECONDS = 3_600.0
"""After an hour the error is let through; the message is redelivered, and counted by SQS."""

_UNREACHABLE = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,  # a failover is under way
    TryAgainError,
    EndpointConnectionError,
    ConnectionClosedError,
    HTTPClientError,
)
_PASSING_CODES = frozenset(
    {
        "InternalServerError",
        "InternalFailure",
        "ServiceUnavailable",
        "RequestLimitExceeded",
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
    }
)

log = structlog.get_logger(__name__)


def is_outage(error: BaseException) -> bool:
    """Whether the same call may well succeed later, with nothing changed by the caller."""
    if isinstance(error, ClientError):
        return error.response["Error"].get("Code") in _PASSING_CODES
    return isinstance(error, _UNREACHABLE)


async def retry_through_outage(
    work: Callable[[], Awaitable[T]], *, patience: float = PATIENCE_SECONDS
) -> T:
    """Do work that may be repeated, again and again until no outage stops it.

    A message whose handler fails counts against `maxReceiveCount`. An outage is no fault of the
    message: without this, minutes without Redis would turn every command into a dead letter.

    Raises:
        Exception: what is no outage, at once; an outage, after `patience` seconds.
    """
    deadline = asyncio.get_running_loop().time() + patience
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await work()
        except Exception as error:
            if not is_outage(error) or asyncio.get_running_loop().time() + pause > deadline:
                raise
            log.warning("outage", because=f"{type(error).__name__}: {error}", pause=round(pause, 1))
        await asyncio.sleep(random.uniform(0.5, 1) * pause)  # noqa: S311  spread, not secrecy
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
