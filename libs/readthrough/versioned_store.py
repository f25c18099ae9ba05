"""Store results of any size, with their history, in a table of a DAO.

A DynamoDB item holds at most 400 kB. The bodies of a result are compressed and cut into parts, each
an item of its own; the item that lists them is written last. So a reader sees a result completely
or not at all, and can list the history without reading a body.
"""

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from readthrough.dao import Row, Table
from readthrough.read_through import Stored

PART_BYTES: Final = 350_000
COMPRESSION_LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class Version:
    """Describe one result without its bodies."""

    pk: str
    computed_at: int
    """UNIX seconds; the range key of its item."""
    summary: bytes
    """JSON."""
    bodies: Mapping[str, int]
    """Name of a body to its number of parts."""

    @property
    def key(self) -> str:
        """The key of its bodies in a cache: `<pk>@<computed_at>`."""
        return f"{self.pk}@{self.computed_at}"


@dataclass(frozen=True, slots=True)
class VersionedStore:
    """Store versions of results in a table with a string partition key.

    The table's range key must be the number `computedAt`.
    """

    table: Table

    async def put(
        self, pk: str, computed_at: int, summary: bytes, bodies: Mapping[str, bytes]
    ) -> None:
        """Store a result; one with the same key and time is replaced.

        Args:
            pk: What the result is about.
            computed_at: UNIX seconds.
            summary: JSON that `history` returns, of at most a few kB.
            bodies: Name to content, of any size.
        """
        parts = {name: _parts(body) for name, body in bodies.items()}
        await asyncio.gather(
            *(
                self.table.insert_new(
                    _body_key(pk, computed_at, name), {"computedAt": number, "part": part}
                )
                for name, its_parts in parts.items()
                for number, part in enumerate(its_parts)
            )
        )
        counts = {name: len(its_parts) for name, its_parts in parts.items()}
        row = {"computedAt": computed_at, "summary": summary, "bodies": counts}
        await self.table.insert_new(pk, row)

    async def newest(self, pk: str, *, until: int | None = None) -> Version | None:
        """Return the newest version, or the newest computed at or before `until` (UNIX seconds)."""
        row = await self.table.find_most_recent_by_pk(pk, until=until)
        return None if row is None else _version(pk, row)

    async def history(self, pk: str) -> list[Version]:
        """Return all versions, the oldest first."""
        return [_version(pk, row) for row in await self.table.find_all_by_pk(pk)]

    async def load(self, key: str, name: str) -> Stored | None:
        """Return a body by its cache key, or None if there is no such version or body.

        Args:
            key: `<pk>` for the newest version, `<pk>@<computed_at>` for that one.
            name: Name of the body.
        """
        pk, _, at = key.partition("@")
        version = await self.newest(pk, until=int(at) if at else None)
        if version is None or (at and version.computed_at != int(at)):
            return None
        return await self.body(version, name) if name in version.bodies else None

    async def body(self, version: Version, name: str) -> Stored:
        """Return a body of a version.

        Raises:
            KeyError: The version has no such body.
            LookupError: One of its parts is missing.
        """
        count = version.bodies[name]
        rows = await self.table.find_all_by_pk(_body_key(version.pk, version.computed_at, name))
        if len(rows) < count:
            raise LookupError(f"{name} of {version.key} is incomplete")
        compressed = b"".join(bytes(row["part"]) for row in rows[:count])
        return Stored(zlib.decompress(compressed), version.computed_at)


def _version(pk: str, row: Row) -> Version:
    bodies: Mapping[str, Any] = row["bodies"]
    return Version(
        pk,
        int(row["computedAt"]),
        bytes(row["summary"]),
        {name: int(count) for name, count in bodies.items()},
    )


def _body_key(pk: str, computed_at: int, name: str) -> str:
    return f"{pk}@{computed_at}/{name}"


def _parts(body: bytes) -> list[bytes]:
    compressed = zlib.compress(body, COMPRESSION_LEVEL)
    return [compressed[at : at + PART_BYTES] for at in range(0, len(compressed), PART_BYTES)]
