"""A resource that is read through: from Redis, from the table, and else asked for or computed."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

import structlog

from readthrough.rao import RAO

BUDGET_SECONDS: Final = 10.0
_HEAD: Final = b'{"computedAt":'
_MIDDLE: Final = b',"data":'

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource's JSON, and when it was computed (UNIX seconds)."""

    body: bytes
    computed_at: int

    def packed(self) -> bytes:
        """JSON again, with the time where it can be read without decoding the rest."""
        return b"%b%d%b%b}" % (_HEAD, self.computed_at, _MIDDLE, self.body)

    @classmethod
    def unpacked(cls, raw: bytes) -> "Stored":
        head, _, rest = raw.partition(_MIDDLE)
        return cls(rest[:-1], int(head[len(_HEAD) :]))


@dataclass(frozen=True, slots=True)
class Found:
    stored: Stored
    state: Literal["fresh", "stale"]
    age: int
    """Seconds since it was computed."""


@dataclass(frozen=True, slots=True)
class ReadThrough:
    """Redis, then `load`, then `ask` (a queue) or `compute` (here, while the caller waits).

    Of callers that miss at the same time, one looks and all are answered. What is stale is served
    as it is; the caller of `get` decides whether to ask for a new one.
    """

    rao: RAO
    load: Callable[[str], Awaitable[Stored | None]]
    staleness: int | None = None
    """Seconds; None: what was computed once stays true."""
    compute: Callable[[str], Awaitable[Stored]] | None = None
    """For a resource without a queue: computes it and keeps it in the table."""
    budget: float = BUDGET_SECONDS
    """How long a caller waits for `compute`; it goes on behind, and is found by the next one."""
    clock: Callable[[], float] = time.time
    _under_way: "dict[Hashable, asyncio.Task[Any]]" = field(default_factory=dict)

    async def get(self, pk: str) -> Found | None:
        """What there is, fresh or stale; None if it exists nowhere (yet)."""
        raw = await self.rao.retrieve_bytes(pk)
        if raw is not None:
            return self._found(Stored.unpacked(raw))
        stored = await self._single(("load", pk), lambda: self._fill(pk, self.load(pk)))
        if stored is None and self.compute is not None:
            stored = await self._computed(pk, self.compute)
        return None if stored is None else self._found(stored)

    async def put(self, pk: str, stored: Stored) -> None:
        await self.rao.store_bytes(pk, stored.packed())

    def _found(self, stored: Stored) -> Found:
        age = max(0, int(self.clock()) - stored.computed_at)
        stale = self.staleness is not None and age >= self.staleness
        return Found(stored, "stale" if stale else "fresh", age)

    async def _computed(
        self, pk: str, compute: Callable[[str], Awaitable[Stored]]
    ) -> Stored | None:
        """None if it takes longer than the budget."""
        try:
            async with asyncio.timeout(self.budget):
                return await self._single(("compute", pk), lambda: self._fill(pk, compute(pk)))
        except TimeoutError:
            log.info("computation_goes_on", resource=self.rao.generate_key(pk))
            return None

    async def _fill(self, pk: str, found: Awaitable[Stored | None]) -> Stored | None:
        stored = await found
        if stored is not None:
            await self.put(pk, stored)
        return stored

    async def _single(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """One at a time for each key; a caller that is cancelled leaves it running for others."""
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.ensure_future(_run(work))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        answer: T = await asyncio.shield(task)
        return answer

    def _ended(self, key: Hashable, task: "asyncio.Task[Any]") -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody may be left to


async def _run(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
