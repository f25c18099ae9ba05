"""Results of any size in a DAO's table: a row that tells of a result, and the parts of its bodies.

A row of DynamoDB holds 400 kB. The bodies are compressed and cut into parts, each a row under a key
of its own; the row that tells of them is written last, so that a result is seen whole or not at
all, and a history of results is read without one body.
"""

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from readthrough.dao import Row, Table
from readthrough.resource import Stored

PART_BYTES: Final = 350_000
LEVEL: Final = 6


@dataclass(frozen=True, slots=True)
class Head:
    """A result and when it was computed, without its bodies."""

    pk: str
    computed_at: int
    """UNIX seconds; the row's range key."""
    summary: bytes
    """JSON."""
    bodies: Mapping[str, int]
    """Name of a body -> how many parts it has."""

    @property
    def key(self) -> str:
        """What its bodies are cached under."""
        return f"{self.pk}@{self.computed_at}"


@dataclass(frozen=True, slots=True)
class Shelf:
    """In a table with a partition key (text) and the range key `computedAt` (number)."""

    table: Table

    async def put(
        self, pk: str, computed_at: int, summary: bytes, bodies: Mapping[str, bytes]
    ) -> None:
        """Keep a result; the same key and time again replaces it."""
        cut = {name: _parts(body) for name, body in bodies.items()}
        await asyncio.gather(
            *(
                self.table.insert_new(
                    _body_key(pk, computed_at, name), {"computedAt": number, "part": part}
                )
                for name, parts in cut.items()
                for number, part in enumerate(parts)
            )
        )
        counts = {name: len(parts) for name, parts in cut.items()}
        row = {"computedAt": computed_at, "summary": summary, "bodies": counts}
        await self.table.insert_new(pk, row)

    async def newest(self, pk: str, *, until: int | None = None) -> Head | None:
        row = await self.table.find_most_recent_by_pk(pk, until=until)
        return None if row is None else head(pk, row)

    async def history(self, pk: str) -> list[Head]:
        """All results, the oldest first."""
        return [head(pk, row) for row in await self.table.find_all_by_pk(pk)]

    async def load(self, key: str, name: str) -> Stored | None:
        """A body by its key in caches: `pk` is the newest, `pk@computed_at` that one."""
        pk, _, at = key.partition("@")
        found = await self.newest(pk, until=int(at) if at else None)
        if found is None or (at and found.computed_at != int(at)) or name not in found.bodies:
            return None
        return await self.body(found, name)

    async def body(self, found: Head, name: str) -> Stored:
        rows = await self.table.find_all_by_pk(_body_key(found.pk, found.computed_at, name))
        count = found.bodies[name]
        if len(rows) < count:
            raise LookupError(f"{name} of {found.pk} at {found.computed_at} is not whole")
        packed = b"".join(bytes(row["part"]) for row in rows[:count])
        return Stored(zlib.decompress(packed), found.computed_at)


def head(pk: str, row: Row) -> Head:
    bodies: Mapping[str, Any] = row["bodies"]
    return Head(
        pk,
        int(row["computedAt"]),
        bytes(row["summary"]),
        {name: int(count) for name, count in bodies.items()},
    )


def _body_key(pk: str, computed_at: int, name: str) -> str:
    return f"{pk}@{computed_at}/{name}"


def _parts(body: bytes) -> list[bytes]:
    packed = zlib.compress(body, LEVEL)
    return [packed[at : at + PART_BYTES] for at in range(0, len(packed), PART_BYTES)]
