"""Virtual time: a loop whose clock jumps to the next timer instead of waiting for it.

Nothing may run in a thread meanwhile, such as handlers that are not async: the clock would run
ahead of it.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
# more than any story here takes, but for the one that asks for more
_LIMIT = 10_000.0


class _WarpSelector(selectors.SelectSelector):
    def __init__(self, limit: float) -> None:
        super().__init__()
        self.now = 0.0
        self.limit = limit

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("every task waits and no timer is set")
        self.now += max(timeout, 0.0)
        if self.now > self.limit:
            raise RuntimeError(f"not finished after {self.limit} virtual seconds")
        return super().select(0)


class WarpLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time."""

    def __init__(self, limit: float) -> None:
        self._warp = _WarpSelector(limit)
        super().__init__(self._warp)

    def time(self) -> float:
        return self._warp.now


def warp(main: Callable[[], Coroutine[Any, Any, T]], *, limit: float = _LIMIT) -> T:
    """Run a coroutine function on virtual time and insist that it leaves no task behind."""
    loop = WarpLoop(limit)
    problems: list[str] = []
    loop.set_exception_handler(lambda _, context: problems.append(str(context)))
    try:
        result = loop.run_until_complete(main())
        left = asyncio.all_tasks(loop)
        assert not left, f"left running: {left}"
    finally:
        _end(loop)
    assert not problems, problems
    return result


def _end(loop: WarpLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()

    async def ended() -> None:
        await asyncio.gather(*left, return_exceptions=True)

    loop.run_until_complete(ended())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
