"""Failing work is retried as its strategies say, and successful work costs nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt, wait_none

from chassis.resilience import retry as retry_module
from chassis.resilience.retry import retry


def failing(*errors: Exception) -> Callable[[], Awaitable[str]]:
    """Return work that raises these errors, one at each attempt, and then succeeds."""
    remaining = iter(errors)

    async def work() -> str:
        for error in remaining:
            raise error
        return "done"

    return work


async def retried(work: Callable[[], Awaitable[str]], **options: Any) -> str:
    return await retry(
        work,
        on=lambda error: isinstance(error, OSError),
        wait=wait_none(),
        stop=stop_after_attempt(3),
        **options,
    )


async def test_work_is_retried_until_it_succeeds() -> None:
    states: list[tuple[int, str]] = []

    def note(state: RetryCallState) -> None:
        assert state.outcome is not None
        states.append((state.attempt_number, str(state.outcome.exception())))

    assert await retried(failing(OSError("one"), OSError("two")), before_wait=note) == "done"
    assert states == [(1, "one"), (2, "two")]


async def test_the_last_error_is_raised_after_the_last_attempt() -> None:
    with pytest.raises(OSError, match="three"):
        await retried(failing(OSError("one"), OSError("two"), OSError("three"), OSError("four")))


@pytest.mark.parametrize("before", [(), (OSError("one"),)])
async def test_any_other_error_is_raised_at_once(before: tuple[Exception, ...]) -> None:
    with pytest.raises(KeyError):
        await retried(failing(*before, KeyError("a bug")))


async def test_work_that_succeeds_does_not_involve_tenacity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unexpected(*_: Any, **__: Any) -> AsyncRetrying:
        raise AssertionError

    monkeypatch.setattr(retry_module, "AsyncRetrying", unexpected)
    assert await retried(failing()) == "done"
    with pytest.raises(KeyError):
        await retried(failing(KeyError("a bug")))
