"""A deadline ends a block as `asyncio.timeout` does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from redis_batching.deadline import Deadline

Limit = Callable[[float | None], AbstractAsyncContextManager[object]]


@asynccontextmanager
async def deadline(seconds: float | None) -> AsyncIterator[None]:
    with Deadline(seconds):
        yield


@pytest.fixture(params=[asyncio.timeout, deadline], ids=["asyncio", "ours"])
def limit(request: pytest.FixtureRequest) -> Limit:
    found: Limit = request.param
    return found


async def test_a_block_that_takes_too_long_is_a_timeout(limit: Limit) -> None:
    with pytest.raises(TimeoutError):
        async with limit(0.001):
            await asyncio.Event().wait()
    await asyncio.sleep(0)  # nothing of the cancellation is left


async def test_a_block_that_ends_in_time_is_not_cancelled_later(limit: Limit) -> None:
    async with limit(0.001):
        pass
    await asyncio.sleep(0.01)  # longer than the limit


async def test_without_a_limit_a_block_takes_any_time(limit: Limit) -> None:
    async with limit(None):
        await asyncio.sleep(0.001)


async def test_an_error_of_the_block_passes(limit: Limit) -> None:
    with pytest.raises(KeyError):
        async with limit(1):
            raise KeyError


async def test_an_error_instead_of_the_cancellation_passes(limit: Limit) -> None:
    async def work() -> None:
        async with limit(0.001):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise KeyError from None

    with pytest.raises(KeyError):
        await work()
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_the_cancellation_of_the_task_is_no_timeout(limit: Limit) -> None:
    entered = asyncio.Event()

    async def work() -> None:
        async with limit(30):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_is_cancelled_at_its_deadline_stays_cancelled(limit: Limit) -> None:
    async def work() -> None:
        async with limit(0):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()  # before the timer, which cancels it once more
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_inner_of_two_deadlines_ends_its_block_only(limit: Limit) -> None:
    async with limit(30):
        with pytest.raises(TimeoutError):
            async with limit(0.001):
                await asyncio.Event().wait()
        await asyncio.sleep(0)


async def test_the_outer_of_two_deadlines_ends_both_blocks(limit: Limit) -> None:
    inner: list[type[BaseException]] = []

    async def work() -> None:
        async with limit(0.001):
            try:
                async with limit(30):
                    await asyncio.Event().wait()
            except BaseException as error:
                inner.append(type(error))
                raise

    with pytest.raises(TimeoutError):
        await work()
    assert inner == [asyncio.CancelledError]
