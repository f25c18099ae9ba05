"""Imitate a failover to replicas that lack the last writes, of one Redis or of every shard."""

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
    """Hold a copy of each node's database, as lagging replicas have it."""

    nodes: Sequence[tuple[Any, Sequence[Any]]]
    """Client of a node -> for each key: name, time to live in milliseconds (0: none), value."""

    @property
    def keys(self) -> frozenset[bytes]:
        return frozenset(key for _, words in self.nodes for key in words[::3])

    @classmethod
    async def of(cls, redis: Any) -> "Copy":
        """Copy the database of a server, of one node, or of each node; each in one step."""
        return cls([(node, await node.eval(_COPY, 0)) for node in await redis.primaries()])

    async def take_over(self) -> None:
        """Replace each database by its copy, under another identity, in one step."""
        for node, words in self.nodes:
            pipe = node.pipeline(transaction=True)
            pipe.execute_command("DEBUG", "CHANGE-REPL-ID")
            pipe.eval(_RESTORE, 0, *words)
            await pipe.execute()
