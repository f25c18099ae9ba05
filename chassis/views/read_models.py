"""Read models in Redis: where they lie, which generation is served, and how they are read."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from chassis.views.projection import DOCUMENT

if TYPE_CHECKING:
    import asyncio

VERSION = "v"
BUILDING = ":building"
PREVIOUS = ":previous"
GENERATION_CACHE_SECONDS = 1.0

Role = Literal["serving", "building", "previous"]


class ReadModelsLost(Exception):  # noqa: N818  names what happened
    """Redis does not hold this service's read models (any more): not a miss, a loss.

    The owning service rebuilds them from its log; readers answer 503 until it has.
    """

    def __init__(self, service: str, name: str) -> None:
        super().__init__(f"read model {name} of {service} is being rebuilt")
        self.service, self.name = service, name


class Place(NamedTuple):
    """Where one stream's share of a read model lies: both keys are in one cluster slot."""

    version_key: str
    version_field: str
    data_key: str


def control_key(service: str) -> str:
    """Hash: read model -> generation served; `:building` and `:previous` name the two beside it.

    A value is `<number>.<version>`: which generation, and the version of the fold that writes it.
    """
    return f"{{{service}}}:generations"


def behind_key(service: str, name: str, version: int) -> str:
    """Hash: stream -> version that instances with this fold have yet to project.

    While two versions of a service run side by side, each writes the generations of its own fold
    and leaves word here of what the other one must catch up with.
    """
    return f"{{{service}}}:behind:{name}:{version}"


def parked_key(service: str, name: str, generation: int) -> str:
    """Hash: stream -> the error that keeps it from being projected."""
    return f"{{{service}}}:parked:{name}:{generation}"


def plan_key(service: str, name: str) -> str:
    """Hash: the course of a rebuild, see rebuild.lua."""
    return f"{{{service}}}:rebuild:{name}"


def every_generation(service: str, name: str) -> str:
    """What the keys of all generations of a read model begin with."""
    return f"{service}:{{{name}:"


def generation_of(key: bytes) -> int:
    """The generation that a read model's key belongs to."""
    _, _, tag = key.decode().partition("{")
    return int(tag.split(":")[1].partition("}")[0])


def document_key(service: str, name: str, generation: int, stream: str) -> str:
    return f"{every_generation(service, name)}{generation}:{stream}}}"


def document_place(service: str, name: str, generation: int, stream: str) -> Place:
    key = document_key(service, name, generation, stream)
    return Place(key, VERSION, key)


def shared_place(service: str, name: str, generation: int, stream: str) -> Place:
    slot = f"{every_generation(service, name)}{generation}}}"
    return Place(f"{slot}:versions", stream, f"{slot}:entries")


def board_key(data_key: str, board: str) -> str:
    """Sorted set: a board of the ordering whose entries lie at `data_key`, in the same slot."""
    return f"{data_key}:by:{board}"


class Document(NamedTuple):
    """A stored view: the bytes to serve and the stream version that they stand for."""

    body: bytes
    version: int


class Asked(NamedTuple):
    """A document that has been asked for already."""

    generation: int
    reply: "asyncio.Future[Any]"

    def forgo(self) -> None:
        """Nobody will read it, nor the error that it may have become."""
        if not self.reply.cancel() and not self.reply.cancelled():
            self.reply.exception()


@dataclass(slots=True)
class ReadModels:
    """Reads one service's read models. `redis` answers in bytes (`decode_responses=False`)."""

    redis: Any
    service: str
    _generations: dict[str, int] = field(default_factory=dict)
    _read_at: float = float("-inf")

    def ask(self, name: str, stream: str) -> Asked | None:
        """Ask for a document at once, to be read later by `document`, or cancelled.

        With a client that queues commands it shares a write with what is asked meanwhile. None if
        the generation that is served has to be looked up first.
        """
        generation = self._generations.get(name)
        if generation is None or self._stale():
            return None
        return Asked(generation, self._fields(name, generation, stream))

    async def document(self, name: str, stream: str, asked: Asked | None = None) -> Document | None:
        """The view of one stream; None if the stream has none.

        Raises:
            ReadModelsLost: Redis has lost them; the answer is not known at the moment.
        """
        if asked is None:
            generation = await self._generation(name)
            asked = Asked(generation, self._fields(name, generation, stream))
        while True:
            version, body = await asked.reply
            if body is not None:
                return Document(body, int(version))
            if (latest := await self._generation(name, fresh=True)) == asked.generation:
                return None
            asked = Asked(latest, self._fields(name, latest, stream))

    def _fields(self, name: str, generation: int, stream: str) -> "asyncio.Future[Any]":
        key = document_key(self.service, name, generation, stream)
        reply: asyncio.Future[Any] = self.redis.execute_command("HMGET", key, VERSION, DOCUMENT)
        return reply

    async def entry(self, name: str, key: str) -> str | None:
        """What a shared index says of `key`; None if nothing.

        Raises:
            ReadModelsLost: as `document`.
        """
        generation = await self._generation(name)
        while True:
            place = shared_place(self.service, name, generation, "")
            value = await self.redis.hget(place.data_key, key)
            if value is not None:
                return bytes(value).decode()
            if (latest := await self._generation(name, fresh=True)) == generation:
                return None
            generation = latest

    async def entries(self, name: str, keys: Sequence[str]) -> list[str | None]:
        """As `entry`, of many keys at once."""
        if not keys:
            return []
        place = await self.shared_key(name)
        values = await self.redis.hmget(place, keys)
        if None in values and (latest := await self.shared_key(name, fresh=True)) != place:
            values = await self.redis.hmget(latest, keys)
        return [None if value is None else bytes(value).decode() for value in values]

    async def shared_key(self, name: str, *, fresh: bool = False) -> str:
        """Where the entries of a shared read model lie that is served now; `fresh` asks Redis.

        Raises:
            ReadModelsLost: as `document`.
        """
        generation = await self._generation(name, fresh=fresh)
        return shared_place(self.service, name, generation, "").data_key

    async def served(self, *names: str) -> bool:
        """Whether all these read models are there to be read."""
        await self._refresh()
        return all(name in self._generations for name in names)

    async def _generation(self, name: str, *, fresh: bool = False) -> int:
        """A miss is believed only after a fresh look: the generation may have been switched."""
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


@dataclass(frozen=True, slots=True)
class Generation:
    """One copy of a read model."""

    name: str
    number: int
    version: int
    """Of the fold that made it: another version of the service may have another fold."""
    role: Role

    @property
    def value(self) -> str:
        return f"{self.number}.{self.version}"


_ROLES: dict[str, Role] = {
    "": "serving",
    BUILDING: "building",
    PREVIOUS: "previous",
}


def generations(control: dict[bytes, bytes]) -> list[Generation]:
    """Everything that live projection keeps up to date."""
    found = []
    for key, value in control.items():
        name, colon, role = key.decode().partition(":")
        number, _, version = value.decode().partition(".")
        found.append(Generation(name, int(number), int(version or 1), _ROLES[colon + role]))
    return found


def serving(control: dict[bytes, bytes]) -> dict[str, Generation]:
    return {each.name: each for each in generations(control) if each.role == "serving"}
