"""Run a service's timed work: commands to streams on which something is due, and other jobs.

Every instance of a service runs the schedule. The commands that it sends have ids that follow
from the stream and the time, so that instances do not repeat each other's work.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from chassis.bus.commands import CommandSender
from chassis.log.event_store import UnknownEvent
from chassis.views.boards import Boards
from chassis.views.read_models import ReadModelsLost
from contracts.messages import Command, Metadata
from faststream_sqs import SQSError

_TEMPORARY: Final = (
    ReadModelsLost,
    RedisConnectionError,
    RedisTimeoutError,
    SQSError,
    BotoCoreError,
    ClientError,
    OSError,
)
"""Errors after which the next tick tries again."""

Job = Callable[[], Awaitable[object]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DueCommands:
    """Send a command to each stream on which something is due; the stream decides by its clock."""

    due: Boards
    """The board whose scores are the times, in UNIX seconds, at which something is due."""
    board: str
    sender: CommandSender
    command: Callable[[str], Command]
    """Makes the command for a stream id."""
    namespace: uuid.UUID
    """Of the command ids: one per kind of command."""
    repeat_seconds: int
    """A stream that stays due receives another command after this time."""
    actor: str
    """The service's name."""
    limit: int = 500
    """Streams that receive a command in one tick, at most."""
    lookahead_seconds: float = 0.0
    """Seconds before the due time at which a command is sent."""

    async def send(self, now: float | None = None) -> int:
        """Send the commands that are due at `now` (default: the clock); return how many."""
        now = time.time() if now is None else now
        streams = await self.due.lowest(
            self.board, max_score=now + self.lookahead_seconds, limit=self.limit
        )
        period = int(now) // self.repeat_seconds
        await asyncio.gather(*(self._send(stream, period) for stream in streams))
        return len(streams)

    async def _send(self, stream: str, period: int) -> None:
        command_id = str(uuid.uuid5(self.namespace, f"{stream}@{period}"))
        metadata = Metadata(command_id=command_id, correlation_id=command_id, actor=self.actor)
        await self.sender.send(self.command(stream), metadata)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Run jobs one after the other, again and again."""

    jobs: Sequence[Job]
    tick_seconds: float
    """Seconds between the end of one round and the start of the next."""

    async def run(self) -> None:
        """Run until cancelled. An outage skips the rest of a round and is logged."""
        while True:
            await self.tick()
            await asyncio.sleep(self.tick_seconds)

    async def tick(self) -> None:
        """Run each job once."""
        try:
            for job in self.jobs:
                await job()
        except _TEMPORARY as error:
            log.warning("tick_skipped", because=str(error) or type(error).__name__)
        except UnknownEvent as error:  # an operator has to act; commands are handled meanwhile
            log.error("tick_failed", because=str(error))  # noqa: TRY400  the text names the stream
