"""Read the read models of a service from Redis, from the generation that is being served."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from chassis.views.generations import serving
from chassis.views.keys import (
    DOCUMENT_FIELD,
    VERSION_FIELD,
    control_key,
    document_key,
    shared_location,
)

if TYPE_CHECKING:
    import asyncio

GENERATION_CACHE_SECONDS = 1.0
"""Seconds for which the numbers of the served generations are cached."""


class ReadModelsLost(Exception):  # noqa: N818  names what happened
    """Redis does not hold a generation of this read model; the value is unknown, not absent.

    The owning service rebuilds it from its log; until then readers respond with 503.
    """

    def __init__(self, service: str, name: str) -> None:
        super().__init__(f"read model {name} of {service} is being rebuilt")
        self.service, self.name = service, name


class Document(NamedTuple):
    """Hold a stored view: the bytes to serve, and the stream version they were folded to."""

    body: bytes
    version: int


class PendingDocument(NamedTuple):
    """Hold a document that has been requested and not been read yet."""

    generation: int
    reply: "asyncio.Future[Any]"

    def cancel(self) -> None:
        """Discard the reply, including an error that it may have become."""
        if not self.reply.cancel() and not self.reply.cancelled():
            self.reply.exception()


@dataclass(slots=True)
class ReadModels:
    """Read one service's read models. `redis` returns bytes (`decode_responses=False`)."""

    redis: Any
    service: str
    _generations: dict[str, int] = field(default_factory=dict)
    _read_at: float = float("-inf")

    def prefetch(self, name: str, stream: str) -> PendingDocument | None:
        """Request a document now, to be read by `document` later, or cancelled.

        A client that batches commands sends the request in one write with other commands of this
        tick. Returns None if the served generation is not cached and has to be read first.
        """
        generation = self._generations.get(name)
        if generation is None or self._stale():
            return None
        return PendingDocument(generation, self._fields(name, generation, stream))

    async def document(
        self, name: str, stream: str, prefetched: PendingDocument | None = None
    ) -> Document | None:
        """Return the view of one stream, or None if the stream has none.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        pending = prefetched
        if pending is None:
            generation = await self._generation(name)
            pending = PendingDocument(generation, self._fields(name, generation, stream))
        while True:
            version, body = await pending.reply
            if body is not None:
                return Document(body, int(version))
            if (latest := await self._generation(name, fresh=True)) == pending.generation:
                return None
            pending = PendingDocument(latest, self._fields(name, latest, stream))

    def _fields(self, name: str, generation: int, stream: str) -> "asyncio.Future[Any]":
        key = document_key(self.service, name, generation, stream)
        reply: asyncio.Future[Any] = self.redis.execute_command(
            "HMGET", key, VERSION_FIELD, DOCUMENT_FIELD
        )
        return reply

    async def entry(self, name: str, key: str) -> str | None:
        """Return the entry of a shared read model under `key`, or None if there is none.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        generation = await self._generation(name)
        while True:
            location = shared_location(self.service, name, generation, "")
            value = await self.redis.hget(location.data_key, key)
            if value is not None:
                return bytes(value).decode()
            if (latest := await self._generation(name, fresh=True)) == generation:
                return None
            generation = latest

    async def entries(self, name: str, keys: Sequence[str]) -> list[str | None]:
        """Return the entries under several keys, in their order; see `entry`."""
        if not keys:
            return []
        hash_key = await self.shared_key(name)
        values = await self.redis.hmget(hash_key, keys)
        if None in values and (latest := await self.shared_key(name, fresh=True)) != hash_key:
            values = await self.redis.hmget(latest, keys)
        return [None if value is None else bytes(value).decode() for value in values]

    async def shared_key(self, name: str, *, fresh: bool = False) -> str:
        """Return the key of the served entries of a shared read model.

        `fresh` reads the served generation from Redis instead of the cache.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        generation = await self._generation(name, fresh=fresh)
        return shared_location(self.service, name, generation, "").data_key

    async def served(self, *names: str) -> bool:
        """Return whether all these read models can be read."""
        await self._refresh()
        return all(name in self._generations for name in names)

    async def _generation(self, name: str, *, fresh: bool = False) -> int:
        """Return the served generation; after a miss ask for a fresh one, it may have switched."""
        if fresh or self._stale():
            await self._refresh()
        try:
            return self._generations[name]
        except KeyError:
            self._read_at = float("-inf")
            raise ReadModelsLost(self.service, name) from None

    def _stale(self) -> bool:
        return time.monotonic() - self._read_at > GENERATION_CACHE_SECONDS

    async def _refresh(self) -> None:
        started = time.monotonic()
        control = await self.redis.hgetall(control_key(self.service))
        self._generations = {name: each.number for name, each in serving(control).items()}
        self._read_at = started
