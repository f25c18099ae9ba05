"""Limit receives by credits, so that no message waits long for a worker."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from faststream_sqs.message import SQSRawMessage

Unit = list[SQSRawMessage]
"""The messages of one call of the handler: one message, or a batch."""


@dataclass(eq=False, slots=True)
class _Chain:
    """Hold units that must be handled in order; a unit without order is a chain of one."""

    key: str | None
    units: deque[Unit] = field(default_factory=deque)


class WorkerPool:
    """Run units on up to `workers` tasks; units of one key strictly one after another.

    Args:
        handle: Runs one unit and says whether the next of the same key may follow.
        abandon: Called with the messages of units that will not be started.
        workers: Units in work at the same time.
        prefetch: Messages of one receive; at most `prefetch - 1` wait behind busy workers.
    """

    def __init__(
        self,
        handle: Callable[[Unit], Awaitable[bool]],
        abandon: Callable[[Sequence[SQSRawMessage]], Awaitable[None]],
        *,
        workers: int,
        prefetch: int,
        unit_size: int = 1,
    ) -> None:
        self._handle = handle
        self._abandon = abandon
        self._workers = workers
        self._prefetch = prefetch
        self._capacity = workers * unit_size + prefetch - unit_size
        self._active = 0
        self._held = 0
        self._ready: deque[_Chain] = deque()
        self._chains: dict[str, _Chain] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._units: dict[int, Unit] = {}
        self._closed = False
        self._changed = asyncio.Event()

    @property
    def tasks(self) -> "frozenset[asyncio.Task[None]]":
        return frozenset(self._tasks)

    async def reserve(self) -> int:
        """Wait until a worker is free and return how many messages may be received."""
        while not self._closed:
            credit = min(self._prefetch, self._capacity - self._held)
            if credit > 0 and self._active < self._workers:
                self._held += credit
                return credit
            self._changed.clear()
            await self._changed.wait()
        return 0

    def unreserve(self, count: int) -> None:
        """Return unused credits."""
        self._held -= count
        self._changed.set()

    def admit(self, units: Iterable[tuple[str | None, Unit]]) -> None:
        """Queue units with reserved credits; units of one key are handled in order."""
        for key, unit in units:
            chain = self._chains.get(key) if key is not None else None
            if chain is None:
                chain = _Chain(key)
                self._ready.append(chain)
                if key is not None:
                    self._chains[key] = chain
            chain.units.append(unit)
        for _ in range(min(self._workers - self._active, len(self._ready))):
            self._hire()

    def close(self) -> list[SQSRawMessage]:
        """Stop starting units; return the messages that were not started."""
        self._closed = True
        self._changed.set()
        chains = {id(chain): chain for chain in (*self._ready, *self._chains.values())}
        waiting = [m for chain in chains.values() for unit in chain.units for m in unit]
        for chain in chains.values():
            chain.units.clear()
        self._ready.clear()
        return waiting

    def unfinished(self) -> list[SQSRawMessage]:
        """Return the messages that are being handled."""
        return [message for unit in self._units.values() for message in unit]

    def _hire(self) -> None:
        self._active += 1
        task = asyncio.get_running_loop().create_task(self._work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        try:
            while self._ready and not self._closed:
                await self._serve(self._ready.popleft())
        finally:
            self._active -= 1
            self._changed.set()

    async def _serve(self, chain: _Chain) -> None:
        unit = chain.units.popleft()
        self._units[id(unit)] = unit
        try:
            go_on = await self._handle(unit)
            del self._units[id(unit)]
            if not go_on and chain.units:
                await self._stop_group(chain)
        finally:
            self._held -= len(unit)
            self._follow(chain)

    async def _stop_group(self, chain: _Chain) -> None:
        followers = [message for unit in chain.units for message in unit]
        chain.units.clear()
        try:
            await self._abandon(followers)
        finally:
            self._held -= len(followers)

    def _follow(self, chain: _Chain) -> None:
        if chain.units:
            self._ready.append(chain)
        elif chain.key is not None:
            self._chains.pop(chain.key, None)
        self._changed.set()
