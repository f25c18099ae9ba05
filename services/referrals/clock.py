"""What time does by itself: reservations expire, delays end, days are closed."""

import asyncio
import time
import uuid
from dataclasses import dataclass

import structlog
from botocore.exceptions import BotoCoreError, ClientError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from chassis.bus.commands import CommandSender
from chassis.log.event_store import UnknownEvent
from chassis.views.boards import Boards
from chassis.views.read_models import ReadModelsLost
from contracts.messages import Metadata
from contracts.referrals import SettleReferrals
from faststream_sqs import SQSError
from referrals.closing import DayCloser
from referrals.views.due import DUE_BOARD

MOST_A_TICK = 200
_SETTLES = uuid.UUID("0d8a3c38-1c3c-5c59-8a0d-9d9b52b7d4f1")
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


@dataclass(slots=True)
class Clock:
    """Runs in every instance: the commands that it sends have ids that follow from their cause."""

    due: Boards
    sender: CommandSender
    closer: DayCloser
    tick_seconds: float

    async def run(self) -> None:
        while True:
            try:
                await self.settle()
                await self.closer.close()
            except _AWAY as error:
                log.warning("tick_missed", because=str(error) or type(error).__name__)
            except UnknownEvent as error:  # somebody must look; commands go on meanwhile
                log.error("day_not_closed", because=str(error))  # noqa: TRY400  it says which
            await asyncio.sleep(self.tick_seconds)

    async def settle(self) -> int:
        """Send word to the streams on which something is due; they decide by their own clock."""
        now = time.time()
        streams = await self.due.lowest(DUE_BOARD, max_score=now, limit=MOST_A_TICK)
        for stream in streams:
            # once a minute, lest a stream that has more than one commit's worth be forgotten
            command_id = str(uuid.uuid5(_SETTLES, f"{stream}@{int(now) // 60}"))
            await self.sender.send(
                SettleReferrals(member_id=stream.removeprefix("member-")),
                Metadata(command_id=command_id, correlation_id=command_id, actor="referrals"),
            )
        return len(streams)
