"""Imitate a failover to a replica that lacks the last writes, on one Redis."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Copy:
    """Hold a copy of a database, as a lagging replica has it."""

    values: Mapping[bytes, tuple[bytes, int]]
    """Key -> serialised value, and time to live in milliseconds (0: none)."""

    @classmethod
    async def of(cls, redis: Any) -> "Copy":
        """Copy the database in one step."""
        while True:
            keys = await redis.keys("*")
            pipe = redis.pipeline(transaction=True)
            pipe.keys("*")
            for key in keys:
                pipe.dump(key)
                pipe.pttl(key)
            found, *values = await pipe.execute()
            if set(found) == set(keys):
                lifetimes = [max(0, milliseconds) for milliseconds in values[1::2]]
                return cls(dict(zip(keys, zip(values[::2], lifetimes, strict=True), strict=True)))

    async def take_over(self, redis: Any) -> None:
        """Replace the database by this copy, under another identity, in one step."""
        pipe = redis.pipeline(transaction=True)
        pipe.execute_command("DEBUG", "CHANGE-REPL-ID")
        pipe.flushdb()
        for key, (value, lifetime) in self.values.items():
            pipe.restore(key, lifetime, value)
        await pipe.execute()
