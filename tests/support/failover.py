"""Imitate a failover to a replica that lacks the last writes, on one Redis or one shard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_COPY: Final = """
local copied = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  copied[#copied + 1] = key
  copied[#copied + 1] = math.max(0, redis.call('PTTL', key))
  copied[#copied + 1] = redis.call('DUMP', key)
end
return copied
"""
_RESTORE: Final = """
redis.call('FLUSHDB')
for i = 1, #ARGV, 3 do redis.call('RESTORE', ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
"""


@dataclass(frozen=True)
class Copy:
    """Hold a copy of a database, as a lagging replica has it."""

    words: Sequence[Any]
    """For each key: its name, its time to live in milliseconds (0: none), its serialised value."""

    @property
    def keys(self) -> frozenset[bytes]:
        return frozenset(self.words[::3])

    @classmethod
    async def of(cls, node: Any) -> "Copy":
        """Copy the database of one node in one step."""
        return cls(await node.eval(_COPY, 0))

    async def take_over(self, node: Any) -> None:
        """Replace the database by this copy, under another identity, in one step."""
        pipe = node.pipeline(transaction=True)
        pipe.execute_command("DEBUG", "CHANGE-REPL-ID")
        pipe.eval(_RESTORE, 0, *self.words)
        await pipe.execute()
