"""Read a resource from a cache, else from its table, else ask for it or compute it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

import structlog

from readthrough.rao import RAO

BUDGET_SECONDS: Final = 10.0
_PREFIX: Final = b'{"computedAt":'
_SEPARATOR: Final = b',"data":'

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """Hold the JSON of a resource and the time at which it was computed."""

    body: bytes
    """JSON."""
    computed_at: int
    """UNIX seconds."""

    def to_bytes(self) -> bytes:
        """Return a JSON object whose time can be read without parsing the body."""
        return b"%b%d%b%b}" % (_PREFIX, self.computed_at, _SEPARATOR, self.body)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Stored":
        """Parse what `to_bytes` returned."""
        start, _, rest = raw.partition(_SEPARATOR)
        return cls(rest[:-1], int(start[len(_PREFIX) :]))


@dataclass(frozen=True, slots=True)
class Found:
    """Describe a resource that was found, and how fresh it is."""

    stored: Stored
    state: Literal["fresh", "stale"]
    age: int
    """Seconds since it was computed."""


@dataclass(frozen=True, slots=True)
class ReadThrough:
    """Look in Redis, then call `load` (a table), then `compute` if the resource has no queue.

    Concurrent callers that miss share one lookup. A stale value is returned as it is; the caller
    of `get` decides whether to request a new one.
    """

    rao: RAO
    load: Callable[[str], Awaitable[Stored | None]]
    """Returns the stored value of a primary key, or None."""
    staleness: int | None = None
    """Seconds after which a value is stale; None: it never is."""
    compute: Callable[[str], Awaitable[Stored]] | None = None
    """For a resource without a queue: computes the value and stores it in the table."""
    budget: float = BUDGET_SECONDS
    """Seconds a caller waits for `compute`; it continues afterwards, for the next caller."""
    clock: Callable[[], float] = time.time
    """UNIX seconds."""
    _in_flight: "dict[Hashable, asyncio.Task[Any]]" = field(default_factory=dict)

    async def get(self, pk: str) -> Found | None:
        """Return the resource, fresh or stale, or None if it does not exist (yet).

        None is also returned when `compute` exceeds its budget. Exceptions of Redis, `load` and
        `compute` are raised to every waiting caller, and nothing is cached.
        """
        raw = await self.rao.retrieve_bytes(pk)
        if raw is not None:
            return self._found(Stored.from_bytes(raw))
        stored = await self._single_flight(("load", pk), lambda: self._fill(pk, self.load(pk)))
        if stored is None and self.compute is not None:
            stored = await self._compute_within_budget(pk, self.compute)
        return None if stored is None else self._found(stored)

    async def put(self, pk: str, stored: Stored) -> None:
        """Cache a value, for the time to expiry of the RAO."""
        await self.rao.store_bytes(pk, stored.to_bytes())

    def _found(self, stored: Stored) -> Found:
        age = max(0, int(self.clock()) - stored.computed_at)
        stale = self.staleness is not None and age >= self.staleness
        return Found(stored, "stale" if stale else "fresh", age)

    async def _compute_within_budget(
        self, pk: str, compute: Callable[[str], Awaitable[Stored]]
    ) -> Stored | None:
        try:
            async with asyncio.timeout(self.budget):
                return await self._single_flight(
                    ("compute", pk), lambda: self._fill(pk, compute(pk))
                )
        except TimeoutError:
            log.info("computation_over_budget", resource=self.rao.generate_key(pk))
            return None

    async def _fill(self, pk: str, source: Awaitable[Stored | None]) -> Stored | None:
        stored = await source
        if stored is not None:
            await self.put(pk, stored)
        return stored

    async def _single_flight(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Run one task per key at a time; a cancelled caller leaves it running for the others."""
        task = self._in_flight.get(key)
        if task is None:
            task = asyncio.ensure_future(_run(work))
            self._in_flight[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        result: T = await asyncio.shield(task)
        return result

    def _landed(self, key: Hashable, task: "asyncio.Task[Any]") -> None:
        del self._in_flight[key]
        if not task.cancelled():
            task.exception()  # retrieved here in case every caller was cancelled


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
