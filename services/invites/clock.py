"""What time does by itself: mails are tried again, people are reminded, invitations expire."""

import asyncio
import time
import uuid
from dataclasses import dataclass

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from chassis.bus.commands import CommandSender
from chassis.views.boards import Boards
from chassis.views.read_models import ReadModelsLost
from contracts.invites import TendInvite
from contracts.messages import Metadata
from faststream_sqs import SQSError
from invites.projections import DUE_BOARD

MOST_A_TICK = 500
_TENDS = uuid.UUID("5b6f0c52-3c1e-5f0b-9a87-1d0c8e4b7a21")
_AWAY = (
    ReadModelsLost,
    RedisConnectionError,
    RedisTimeoutError,
    SQSError,
    BotoCoreError,
    ClientError,
    OSError,
)
"""What passes: the next tick tries again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Clock:
    """Runs in every instance: the commands that it sends have ids that follow from their cause."""

    due: Boards
    sender: CommandSender
    tick_seconds: float
    ahead: float = 0
    """Seconds by which to look early, where mails are begun again sooner than views say."""

    async def run(self) -> None:
        while True:
            try:
                await self.tend()
            except _AWAY as error:
                log.warning("tick_missed", because=str(error) or type(error).__name__)
            await asyncio.sleep(self.tick_seconds)

    async def tend(self, now: float | None = None) -> int:
        """Send word to the invitations on which something is due; they decide by their clock."""
        now = time.time() if now is None else now
        streams = await self.due.lowest(DUE_BOARD, max_score=now + self.ahead, limit=MOST_A_TICK)
        await asyncio.gather(*(self._tell(stream, int(now) // 30) for stream in streams))
        return len(streams)

    async def _tell(self, stream: str, turn: int) -> None:
        # twice a minute, lest one that is due again be forgotten
        command_id = str(uuid.uuid5(_TENDS, f"{stream}@{turn}"))
        await self.sender.send(
            TendInvite(invite_id=stream.removeprefix("invite-")),
            Metadata(command_id=command_id, correlation_id=command_id, actor="invites"),
        )
