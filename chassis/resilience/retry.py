"""Retry an operation with tenacity, without its costs for the operations that succeed."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.stop import stop_base
from tenacity.wait import wait_base

T = TypeVar("T")


async def retry(
    work: Callable[[], Awaitable[T]],
    *,
    on: Callable[[BaseException], bool],
    wait: wait_base,
    stop: stop_base,
    before_wait: Callable[[RetryCallState], None] | None = None,
) -> T:
    """Repeat work for as long as it fails with an error that `on` accepts.

    `wait` and `stop` are tenacity's strategies; `before_wait` is called before each wait. The first
    attempt is made without tenacity, whose bookkeeping would add 60 microseconds to every command.

    Raises:
        Exception: the last error, once `stop` says so; any other error at once.
    """
    try:
        return await work()
    except Exception as error:
        if not on(error):
            raise
        failures = iter((error,))

    async def attempt() -> T:
        for failure in failures:  # tenacity's first attempt is the one made above
            raise failure
        return await work()

    retrying = AsyncRetrying(
        retry=retry_if_exception(on),
        wait=wait,
        stop=stop,
        before_sleep=before_wait,
        reraise=True,
    )
    return await retrying(attempt)
