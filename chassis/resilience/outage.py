"""Wait out an outage of Redis or AWS instead of failing one message after another."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

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
from tenacity import RetryCallState, stop_before_delay, wait_random_exponential

from chassis.resilience.retry import retry

T = TypeVar("T")

PATIENCE_SECONDS: Final = 3_600.0
"""Seconds after which the error is raised; the message is then redelivered, and counted by SQS."""
_BACKOFF: Final = wait_random_exponential(multiplier=0.1, min=0.05, max=15)
"""Seconds between two attempts: at random, from a range that doubles up to 15 seconds."""

_UNREACHABLE: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ReadOnlyError,  # a failover is under way
    TryAgainError,
    EndpointConnectionError,
    ConnectionClosedError,
    HTTPClientError,
)
_TRANSIENT_CODES: Final = frozenset(
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
    """Return whether the same call may succeed later although its caller changes nothing."""
    if isinstance(error, ClientError):
        return error.response["Error"].get("Code") in _TRANSIENT_CODES
    return isinstance(error, _UNREACHABLE)


async def retry_through_outage(
    work: Callable[[], Awaitable[T]], *, patience: float = PATIENCE_SECONDS
) -> T:
    """Repeat idempotent work until no outage interrupts it; log each retry.

    A message whose handler fails counts against `maxReceiveCount`, although an outage is not the
    message's fault: without retries, minutes without Redis would send every command to the
    dead-letter queue.

    Raises:
        Exception: an error that is not an outage, at once; an outage, after `patience` seconds.
    """
    return await retry(
        work,
        on=is_outage,
        wait=_BACKOFF,
        stop=stop_before_delay(patience),
        before_wait=_log_retry,
    )


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning(
        "outage",
        because=f"{type(error).__name__}: {error}",
        retry_in_seconds=round(state.upcoming_sleep, 2),
    )
