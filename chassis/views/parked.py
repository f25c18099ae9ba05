"""Store the list of parked streams, which one of the read models cannot project.

A stream is parked when its events cannot be read or its fold raises an error. Its view stays at
the last version that could be projected, and every other stream continues. Parked streams are
retried every minute and at the next start, since a corrected fold may accept them.
"""

from dataclasses import dataclass
from typing import Any

import structlog

from chassis.log.event_store import UnknownEvent
from chassis.views.change import FoldFailed
from chassis.views.keys import parked_key

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ParkedStreams:
    """Store the parked streams of one service in Redis, each with its error."""

    redis: Any
    service: str

    async def park(
        self, name: str, generation: int, stream: str, error: UnknownEvent | FoldFailed
    ) -> None:
        """Park a stream of one generation, and log why."""
        unreadable = isinstance(error, UnknownEvent)
        because = f"UnknownEvent: {error}" if unreadable else str(error)
        await self.redis.hset(parked_key(self.service, name, generation), stream, because)
        log.error(
            "stream_parked",
            read_model=name,
            stream=stream,
            because=because,
            exc_info=None if unreadable else error.__cause__,
        )

    async def errors(self, name: str, generation: int) -> dict[str, str]:
        """Return the parked streams of one generation, each with its error."""
        rows = await self.redis.hgetall(parked_key(self.service, name, generation))
        return {stream.decode(): because.decode() for stream, because in rows.items()}

    async def remove(self, name: str, generation: int, stream: str) -> int:
        """Remove a stream from the list; return 1 if it was parked, otherwise 0."""
        removed: int = await self.redis.hdel(parked_key(self.service, name, generation), stream)
        return removed
