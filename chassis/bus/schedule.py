"""Run a service's timed work: commands to streams on which something is due, and other jobs.

Every instance of a service runs the schedule. The commands that it sends have ids that follow
from the stream and the time, so that instances do not repeat each other's work.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chassis.bus.commands import CommandSender
from chassis.resilience.outages import OUTAGES, Outages
from chassis.resilience.supervision import attempt
from chassis.views.boards import Boards
from contracts.messages import Command, Metadata

Job = Callable[[], Awaitable[object]]


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
        # every instance sends it in every tick: SQS drops all but the first of a period
        await self.sender.send(self.command(stream), metadata, deduplication_id=command_id)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Run jobs one after the other, again and again."""

    jobs: Sequence[Job]
    tick_seconds: float
    """Seconds between the end of one round and the start of the next."""
    outages: Outages = OUTAGES
    """Where failing jobs are registered."""

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self.tick()
            await asyncio.sleep(self.tick_seconds)

    async def tick(self) -> None:
        """Run each job once; one that fails is registered, and the others run all the same."""
        for number, job in enumerate(self.jobs, start=1):
            await attempt(_name(job, number), job, outages=self.outages)


def _name(job: Job, number: int) -> str:
    """Return a name that no other job of the schedule has."""
    return f"{getattr(job, '__qualname__', 'job')} ({number})"
