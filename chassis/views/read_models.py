"""Read the read models of a service from Redis, from the generation that is being served."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from chassis.resilience.outage import Unavailable
from chassis.views.generations import serving
from chassis.views.keys import (
    DOCUMENT_FIELD,
    VERSION_FIELD,
    control_key,
    document_key,
    shared_location,
)
from contracts.messages import View
from contracts.read_models import DocumentRef, IndexRef, ReadModelRef

if TYPE_CHECKING:
    import asyncio

V = TypeVar("V", bound=View)

GENERATION_CACHE_SECONDS = 1.0
"""Seconds for which the numbers of the served generations are cached."""


class ReadModelsLost(Unavailable):
    """Redis does not hold a generation of this read model; the value is unknown, not absent.

    The owning service rebuilds it from its log; until then readers respond with 503.
    """

    def __init__(self, service: str, name: str) -> None:
        super().__init__(f"read model {name} of {service} is being rebuilt")
        self.service, self.name = service, name


class Document(NamedTuple, Generic[V]):
    """Hold a stored view: the bytes to serve, and the stream version they were folded to."""

    body: bytes
    """The view as JSON, as readers are served it."""
    version: int
    type: type[V]

    @property
    def view(self) -> V:
        """Parse the stored JSON."""
        return self.type.model_validate_json(self.body)


class PendingDocument(NamedTuple):
    """Hold a document that has been requested and not been read yet."""

    generation: int
    reply: "asyncio.Future[Any]"

    def cancel(self) -> None:
        """Discard the reply or the error."""
        if not self.reply.cancel() and not self.reply.cancelled():
            self.reply.exception()


@dataclass(slots=True)
class _Served:
    """The generations that one service serves, as this process saw them last."""

    numbers: dict[str, int] = field(default_factory=dict)
    read_at: float = float("-inf")

    @property
    def stale(self) -> bool:
        return time.monotonic() - self.read_at > GENERATION_CACHE_SECONDS


@dataclass(slots=True)
class ReadModels:
    """Read the read models of all services. `redis` returns bytes (`decode_responses=False`)."""

    redis: Any
    _served: dict[str, _Served] = field(default_factory=lambda: defaultdict(_Served))

    def prefetch(self, ref: DocumentRef[V], stream: str) -> PendingDocument | None:
        """Request a document now, to be read by `document` later, or cancelled.

        A client that batches commands sends the request in one write with other commands of this
        tick. Returns None if the served generation is not cached and has to be read first.
        """
        served = self._served[ref.service]
        generation = served.numbers.get(ref.name)
        if generation is None or served.stale:
            return None
        return PendingDocument(generation, self._fields(ref, generation, stream))

    async def document(
        self, ref: DocumentRef[V], stream: str, prefetched: PendingDocument | None = None
    ) -> Document[V] | None:
        """Return the view of one stream as stored, or None if the stream has none.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        pending = prefetched
        if pending is None:
            generation = await self._generation(ref)
            pending = PendingDocument(generation, self._fields(ref, generation, stream))
        while True:
            version, body = await pending.reply
            if body is not None:
                return Document(body, int(version), ref.view)
            if (latest := await self._generation(ref, fresh=True)) == pending.generation:
                return None
            pending = PendingDocument(latest, self._fields(ref, latest, stream))

    async def view(self, ref: DocumentRef[V], stream: str) -> V | None:
        """Return the parsed view of one stream, or None if the stream has none.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        document = await self.document(ref, stream)
        return None if document is None else document.view

    def _fields(self, ref: DocumentRef[V], generation: int, stream: str) -> "asyncio.Future[Any]":
        key = document_key(ref.service, ref.name, generation, stream)
        reply: asyncio.Future[Any] = self.redis.execute_command(
            "HMGET", key, VERSION_FIELD, DOCUMENT_FIELD
        )
        return reply

    async def entry(self, ref: IndexRef, key: str) -> str | None:
        """Return the value of an index under `key`, or None if there is none.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        (value,) = await self.entries(ref, [key])
        return value

    async def entries(self, ref: IndexRef, keys: Sequence[str]) -> list[str | None]:
        """Return the values of an index under several keys, in their order; see `entry`."""
        if not keys:
            return []
        hash_key = await self.shared_key(ref)
        values = await self.redis.hmget(hash_key, keys)
        if None in values and (latest := await self.shared_key(ref, fresh=True)) != hash_key:
            values = await self.redis.hmget(latest, keys)
        return [None if value is None else bytes(value).decode() for value in values]

    async def shared_key(self, ref: ReadModelRef[Any], *, fresh: bool = False) -> str:
        """Return the Redis key of the served entries of an index or a board.

        `fresh` reads the served generation from Redis instead of the cache.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        generation = await self._generation(ref, fresh=fresh)
        return shared_location(ref.service, ref.name, generation, "").data_key

    async def stream_key(self, ref: ReadModelRef[Any], stream: str, *, fresh: bool = False) -> str:
        """Return the Redis key of a stream's document or list in the served generation.

        `fresh` reads the served generation from Redis instead of the cache.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        generation = await self._generation(ref, fresh=fresh)
        return document_key(ref.service, ref.name, generation, stream)

    async def served(self, *refs: ReadModelRef[Any]) -> bool:
        """Return whether all these read models can be read."""
        for service in {ref.service for ref in refs}:
            await self._refresh(service)
        return all(ref.name in self._served[ref.service].numbers for ref in refs)

    async def _generation(self, ref: ReadModelRef[Any], *, fresh: bool = False) -> int:
        """Return the served generation; after a miss ask for a fresh one, it may have switched."""
        served = self._served[ref.service]
        if fresh or served.stale:
            served = await self._refresh(ref.service)
        try:
            return served.numbers[ref.name]
        except KeyError:
            served.read_at = float("-inf")
            raise ReadModelsLost(ref.service, ref.name) from None

    async def _refresh(self, service: str) -> _Served:
        started = time.monotonic()
        control = await self.redis.hgetall(control_key(service))
        numbers = {name: each.number for name, each in serving(control).items()}
        self._served[service] = served = _Served(numbers, started)
        return served
