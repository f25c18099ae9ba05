"""Read the read models of a service from Redis, from the generation that is being served."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from chassis.resilience.refusals import Unavailable
from chassis.views.generations import serving
from chassis.views.identity import Read, Verified, VerifiedReader
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
    """Redis may have lost a part of this read model; the value is unknown, not absent.

    The owning service rebuilds it from its log; until then readers respond with 503.
    """

    part: ClassVar[str] = "read models"

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


class Reread(NamedTuple):
    """Hold the reply to a repeated read, and the generation that it was read from."""

    generation: int
    reply: Any


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
    _verified: dict[str, Verified] = field(default_factory=dict)
    """Service -> its verified Redis nodes, as they were read last."""

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
            generation = await self.generation(ref)
            pending = PendingDocument(generation, self._fields(ref, generation, stream))
        version, body = await pending.reply
        if body is None:
            again = await self.read_again(
                ref, pending.generation, partial(fields_of, ref, stream, [DOCUMENT_FIELD])
            )
            version, body = again.reply
        return None if body is None else Document(body, int(version), ref.view)

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
        values = await self.shared_fields(ref, keys)
        return [None if value is None else bytes(value).decode() for value in values]

    async def shared_fields(self, ref: ReadModelRef[Any], keys: Sequence[str]) -> list[Any]:
        """Return the stored bytes of entries of an index or a board, None where there is none.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        if not keys:
            return []
        generation = await self.generation(ref)
        values: list[Any] = await self.redis.hmget(entries_key(ref, generation), keys)
        if None in values:
            again = await self.read_again(ref, generation, partial(_entries_read, ref, keys))
            values = again.reply
        return values

    async def shared_key(self, ref: ReadModelRef[Any]) -> str:
        """Return the Redis key of the served entries of an index or a board.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        return entries_key(ref, await self.generation(ref))

    async def served(self, *refs: ReadModelRef[Any]) -> bool:
        """Return whether all these read models can be read."""
        for service in {ref.service for ref in refs}:
            await self._refresh(service)
        return all(ref.name in self._served[ref.service].numbers for ref in refs)

    async def read_again(
        self, ref: ReadModelRef[Any], generation: int, read: Callable[[int], Read]
    ) -> Reread:
        """Repeat a read that found nothing, from the generation that is served by now.

        `read` makes the command for a generation. The reply is complete: what is absent from it
        is not lost, but does not exist.

        Raises:
            ReadModelsLost: Redis does not hold the read model, or may have lost a part of it.
        """
        reader = VerifiedReader(self.redis, ref.service)
        while True:
            started = time.monotonic()
            found = await reader.read(read(generation), self._verified.get(ref.service))
            self._verified[ref.service] = found.verified
            latest = self._latest(ref, found.control, started)
            if not found.complete:
                raise ReadModelsLost(ref.service, ref.name)
            if latest == generation:
                return Reread(generation, found.reply)
            generation = latest

    async def generation(self, ref: ReadModelRef[Any]) -> int:
        """Return the number of the served generation, at most a second old.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        served = self._served[ref.service]
        if served.stale:
            served = await self._refresh(ref.service)
        return _number(served, ref)

    def _latest(
        self, ref: ReadModelRef[Any], control: Mapping[bytes, bytes], read_at: float
    ) -> int:
        return _number(self._store_served(ref.service, control, read_at), ref)

    async def _refresh(self, service: str) -> _Served:
        started = time.monotonic()
        return self._store_served(service, await self.redis.hgetall(control_key(service)), started)

    def _store_served(
        self, service: str, control: Mapping[bytes, bytes], read_at: float
    ) -> _Served:
        numbers = {name: each.number for name, each in serving(control).items()}
        self._served[service] = served = _Served(numbers, read_at)
        return served


def entries_key(ref: ReadModelRef[Any], generation: int) -> str:
    """Return the Redis key of the entries of an index or a board in one generation."""
    return shared_location(ref.service, ref.name, generation, "").data_key


def _number(served: _Served, ref: ReadModelRef[Any]) -> int:
    try:
        return served.numbers[ref.name]
    except KeyError:
        served.read_at = float("-inf")  # look again at the next read
        raise ReadModelsLost(ref.service, ref.name) from None


def fields_of(ref: ReadModelRef[Any], stream: str, fields: Sequence[str], generation: int) -> Read:
    """Return the command that reads the version and some fields of a document or list."""
    key = document_key(ref.service, ref.name, generation, stream)
    return Read(key, ("HMGET", key, VERSION_FIELD, *fields))


def _entries_read(ref: ReadModelRef[Any], keys: Sequence[str], generation: int) -> Read:
    key = entries_key(ref, generation)
    return Read(key, ("HMGET", key, *keys))
