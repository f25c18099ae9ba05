"""Close each day (UTC): store the state of every board at midnight, computed from the log alone.

The result is a fold of the log as of the end of the day, so that every instance computes the same
one at any later time. The first instance to append it wins; the others find it stored.
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import structlog

from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import IncomingCommand
from chassis.log.event_store import EventStore, UnknownEvent
from chassis.log.histories import Histories
from chassis.views.read_models import ReadModels
from contracts.messages import Metadata
from contracts.points import CLOSED_DAYS
from contracts.ranking import ALL_TIME, month_of
from contracts.referrals import SERVICE, CloseDay, ReferralCommand, ReferralEvent
from contracts.streams import BOARD_DAYS
from referrals.domain import State
from referrals.projections import LEADERBOARD_VERSION
from referrals.tally import Tallies, end_ms, tally_boards
from referrals.tally_changes import tally_changes

LOOK_BACK_DAYS = 35
"""Limit of past days that a service closes after an outage."""
GRACE_SECONDS = 120
"""Time after midnight in which events of the day can still be appended."""
UNREADABLE_SECONDS = 3_600
"""Time after midnight in which a stream that this version cannot read postpones the close: in a
rolling deployment a newer version may have written it. Afterwards the stream counts as far as it
can be read."""
LEASE_SECONDS = 900
_COMMAND_IDS = uuid.UUID("b8b1a8d3-74de-5a3a-a1f0-5d0a3f0b7c52")
"""Namespace of the ids of commands that close a day."""

log = structlog.get_logger(__name__)


class DayNotClosed(Exception):
    """A close was rejected, for example because it has more levels than one commit holds."""


@dataclass(slots=True)
class DayCloser:
    """Close the days that have ended and are not closed yet."""

    store: EventStore[ReferralEvent]
    handler: CommandHandler[State, ReferralCommand, ReferralEvent]
    models: ReadModels
    _finished: set[date] = field(default_factory=set)
    """Days that are known to be closed, or to have had no members."""

    async def close(self, now: float | None = None) -> int:
        """Close all days that are due; default of `now`: the current time (UNIX seconds).

        Returns:
            How many days were closed; 0 if another instance is closing them.

        Raises:
            ReadModelsLost: the read models are being rebuilt; try again later.
            UnknownEvent: this version of the service cannot read a stream, and a newer one may
                close the day within an hour.
            DayNotClosed: the close of a board was rejected.
        """
        now = time.time() if now is None else now
        days = await self._days_to_close(now)
        if not days or not await self._acquire_lease():
            return 0
        try:
            tallies, counted_by = await self._count(days, now)
            for (board, day), tally in sorted(tallies.items()):
                await self._close_board(tally.command(board, day, counted_by))
            self._finished.update(days)
            return len({day for _, day in tallies})
        finally:
            await self.models.redis.delete(self._lease_key)

    async def _count(self, days: Sequence[date], now: float) -> tuple[Tallies, int]:
        """Return the tallies of these days, and the version of the fold if all streams count."""
        if (tallies := await tally_changes(self.store, days)) is not None:
            return tallies, LEADERBOARD_VERSION
        found = Histories(self.store)
        tallies = await tally_boards(found, days)
        _require_readable(found.unreadable, days, now)
        return tallies, 0 if found.unreadable else LEADERBOARD_VERSION

    async def _days_to_close(self, now: float) -> list[date]:
        """Return the days that have ended since the last closed one, at most `LOOK_BACK_DAYS`.

        Days are closed in order: one without a close before the last closed day had no members, or
        its close is stored and was not projected.
        """
        today = datetime.fromtimestamp(now - GRACE_SECONDS, UTC).date()
        past = [today - timedelta(days=back) for back in range(LOOK_BACK_DAYS, 0, -1)]
        to_close: list[date] = []
        for day in past:
            if day in self._finished:
                continue
            if await self.models.entry(CLOSED_DAYS, f"{ALL_TIME}.{day}") is not None:
                for earlier in to_close:
                    await self._project_stored(earlier)
                self._finished.update(to_close, [day])
                to_close = []
            else:
                to_close.append(day)
        return to_close

    async def _project_stored(self, day: date) -> None:
        """Project what is stored of a day's closes."""
        for board in (ALL_TIME, month_of(day)):
            stored = await self.store.load(BOARD_DAYS.stream(f"{board}.{day}"))
            if stored.commits:
                await self.handler.projector.project(stored)

    async def _close_board(self, command: CloseDay) -> None:
        """Handle the command; if the day is closed already, project the stored close again.

        The command's id follows from the board and the day, so that it is carried out once.
        """
        if (await self.store.head(command.stream)).version:
            await self.handler.projector.project(await self.store.load(command.stream))
            return
        command_id = str(uuid.uuid5(_COMMAND_IDS, command.stream))
        metadata = Metadata(command_id=command_id, correlation_id=command_id, actor=SERVICE)
        outcome = await self.handler.handle(IncomingCommand.internal(command, metadata))
        if outcome.rejection is not None:
            raise DayNotClosed(f"{command.stream}: {outcome.rejection.detail}")
        log.info("day_closed", board=command.board, day=command.day)

    async def _acquire_lease(self) -> bool:
        """Acquire the lease that spares other instances the scan; two scans would do no harm."""
        return bool(await self.models.redis.set(self._lease_key, "1", nx=True, ex=LEASE_SECONDS))

    @property
    def _lease_key(self) -> str:
        return f"{{{SERVICE}}}:closing"


def _require_readable(unreadable: Mapping[str, str], days: Sequence[date], now: float) -> None:
    """Log the streams that cannot be read; postpone the close while a newer version may read them.

    Raises:
        UnknownEvent: a day has ended less than an hour ago.
    """
    if not unreadable:
        return
    if now < end_ms(max(days)) / 1000 + UNREADABLE_SECONDS:
        stream, because = next(iter(unreadable.items()))
        raise UnknownEvent(f"{len(unreadable)} streams cannot be read, first {stream}: {because}")
    log.error("days_closed_with_unreadable_streams", streams=dict(unreadable))
