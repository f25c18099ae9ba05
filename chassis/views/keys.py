"""Name the Redis keys of read models: control hashes, documents, shared hashes and boards."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

VERSION_FIELD = "v"
"""Hash field of a document that holds the stream version it was folded to."""
FINGERPRINT_FIELD = "f"
"""Hash field of a document that holds the fingerprint of the commit at its version."""
DOCUMENT_FIELD = "d"
"""Hash field that holds a document's bytes."""

_ITEM_PREFIX = "i:"


class KeyLocation(NamedTuple):
    """Describe where one stream's share of a read model is stored; all keys are in one slot."""

    version_key: str
    """Hash that holds the version up to which the stream has been projected."""
    version_field: str
    data_key: str
    """Hash that holds the projected data."""
    fingerprint_key: str
    """Hash that holds the fingerprint of the commit at the projected version."""
    fingerprint_field: str


def control_key(service: str) -> str:
    """Return the key of a service's control hash, see `chassis.views.generations`."""
    return f"{{{service}}}:generations"


def verified_key(service: str) -> str:
    """Return the key of a hash of verified Redis nodes, see `chassis.views.identity`."""
    return f"{{{service}}}:verified"


def generation_counter_key(service: str, name: str) -> str:
    """Return the key of the highest generation number that a read model has ever used."""
    return f"{{{service}}}:generation:{name}"


def pending_key(service: str, name: str, version: int) -> str:
    """Return the key of a hash: stream -> version that this fold version has yet to project.

    While two versions of a service run side by side, each writes the generations of its own fold
    and records here which streams the instances with the other fold must catch up with.
    """
    return f"{{{service}}}:behind:{name}:{version}"


def parked_key(service: str, name: str, generation: int) -> str:
    """Return the key of a hash: parked stream -> the error that stops its projection."""
    return f"{{{service}}}:parked:{name}:{generation}"


def plan_key(service: str, name: str) -> str:
    """Return the key of a rebuild's plan, see `rebuild.lua`."""
    return f"{{{service}}}:rebuild:{name}"


def lease_key(service: str, name: str, segment: int) -> str:
    """Return the key of the lease on one segment of a rebuild."""
    return f"{{{service}}}:rebuilding:{name}:{segment}"


def generations_prefix(service: str, name: str) -> str:
    """Return the prefix of the keys of all generations of a read model."""
    return f"{service}:{{{name}:"


def generation_of(key: bytes) -> int:
    """Return the number of the generation that a read model's key belongs to."""
    _, _, tag = key.decode().partition("{")
    return int(tag.split(":")[1].partition("}")[0])


def stream_of(key: bytes) -> str:
    """Return the stream whose document, list or order a key holds."""
    _, _, tag = key.decode().partition("{")
    return tag.split(":", 2)[2].partition("}")[0]


async def keys_of(redis: Any, service: str, name: str) -> AsyncIterator[bytes]:
    """Yield the keys of all generations of a read model, on all nodes."""
    async for key in redis.scan_iter(match=f"{generations_prefix(service, name)}*", count=1000):
        yield key


def document_key(service: str, name: str, generation: int, stream: str) -> str:
    """Return the key of a stream's document."""
    return f"{generations_prefix(service, name)}{generation}:{stream}}}"


def document_location(service: str, name: str, generation: int, stream: str) -> KeyLocation:
    """Locate a stream's document: version, fingerprint and data are in one hash."""
    key = document_key(service, name, generation, stream)
    return KeyLocation(key, VERSION_FIELD, key, key, FINGERPRINT_FIELD)


def shared_location(service: str, name: str, generation: int, stream: str) -> KeyLocation:
    """Locate a stream's entries in a shared read model: a hash of versions, one of entries."""
    slot = f"{generations_prefix(service, name)}{generation}}}"
    fingerprints = f"{slot}:fingerprints"
    return KeyLocation(f"{slot}:versions", stream, f"{slot}:entries", fingerprints, stream)


def item_field(item_id: str) -> str:
    """Return the hash field that holds an item of a stream's list."""
    return f"{_ITEM_PREFIX}{item_id}"


def item_of_field(field: str) -> str | None:
    """Return the id of the item in a hash field of a list, or None if it holds no item."""
    return field.removeprefix(_ITEM_PREFIX) if field.startswith(_ITEM_PREFIX) else None


def board_key(data_key: str, board: str) -> str:
    """Return the key of a board or an order of a list: a sorted set in the slot of `data_key`."""
    return f"{data_key}:by:{board}"
