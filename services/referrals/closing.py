"""Closes days: how each board stood at midnight (UTC), told once, from the log alone.

The tally is a fold of the log as it was at the day's end, so whoever makes it, however late, finds
the same; the first to append it is believed, and the others find it told.
"""

import heapq
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import structlog

from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import IncomingCommand
from chassis.log.event_store import EventStore, History
from chassis.log.histories import histories
from chassis.views.read_models import ReadModels
from contracts.messages import Metadata
from contracts.points import CLOSED_DAYS, StandingView
from contracts.referrals import BoardLevel, BoardPlace, CloseDay, ReferralCommand, ReferralEvent
from referrals.points import ALL, fold_standing, points_on, scores
from referrals.state import Member

LOOK_BACK_DAYS = 35
"""How many days a service that was down makes up for."""
GRACE_SECONDS = 120
"""After midnight, until what was decided just before it has been stored."""
FIRST = 100
LEASE_SECONDS = 900
_CLOSES = uuid.UUID("b8b1a8d3-74de-5a3a-a1f0-5d0a3f0b7c52")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tally:
    """A board at the end of a day: memory for its levels and its first hundred, not its members."""

    levels: Counter[int] = field(default_factory=Counter)
    _first: list[tuple[float, str, str]] = field(default_factory=list)

    def add(self, standing: StandingView, board: str) -> None:
        points = points_on(standing, board)
        place = scores(standing).get(board)
        if points is None or place is None:
            return
        self.levels[points] += 1
        row = (place, standing.member_id, standing.display_name)
        if len(self._first) < FIRST:
            heapq.heappush(self._first, row)
        else:
            heapq.heappushpop(self._first, row)

    def command(self, board: str, day: date) -> CloseDay:
        levels = sorted(self.levels.items(), reverse=True)
        return CloseDay(
            board=board,
            day=day.isoformat(),
            levels=tuple(BoardLevel(points=points, members=n) for points, n in levels),
            first=tuple(
                BoardPlace(member_id=member_id, display_name=name, points=int(place))
                for place, member_id, name in sorted(self._first, reverse=True)
            ),
        )


@dataclass(slots=True)
class DayCloser:
    store: EventStore[ReferralEvent]
    handler: CommandHandler[Member, ReferralCommand, ReferralEvent]
    models: ReadModels
    _done: set[date] = field(default_factory=set)
    """Days that are known to be closed, or to have had no members."""

    async def close(self, now: float | None = None) -> int:
        """Close all days that have ended and are not closed yet; how many that were.

        Raises:
            ReadModelsLost: they are being rebuilt; try again later.
        """
        missing = await self._missing(time.time() if now is None else now)
        if not missing or not await self._lease():
            return 0
        try:
            tallies = await tally(self.store, missing)
            for (board, day), counted in sorted(tallies.items()):
                await self._tell(counted.command(board, day))
            self._done.update(missing)
            return len({day for _, day in tallies})
        finally:
            await self.models.redis.delete(self._lease_key)

    async def _missing(self, now: float) -> list[date]:
        today = datetime.fromtimestamp(now - GRACE_SECONDS, UTC).date()
        days = [today - timedelta(days=back) for back in range(LOOK_BACK_DAYS, 0, -1)]
        missing = []
        for day in days:
            if day in self._done:
                continue
            if await self.models.entry(CLOSED_DAYS, f"{ALL}.{day}") is not None:
                self._done.add(day)
            else:
                missing.append(day)
        return missing

    async def _tell(self, command: CloseDay) -> None:
        """Under an id that follows from board and day; telling again only projects it again."""
        command_id = str(uuid.uuid5(_CLOSES, command.stream))
        metadata = Metadata(command_id=command_id, correlation_id=command_id, actor="referrals")
        if (await self.store.head(command.stream)).version:
            await self.handler.projector.project(await self.store.load(command.stream))
            return
        await self.handler.handle(
            IncomingCommand(command, metadata, command.body_hash, redelivered=False)
        )
        log.info("day_closed", board=command.board, day=command.day)

    async def _lease(self) -> bool:
        """Spares other instances the same scan; if two make it all the same, one is believed."""
        return bool(await self.models.redis.set(self._lease_key, "1", nx=True, ex=LEASE_SECONDS))

    @property
    def _lease_key(self) -> str:
        return f"{{{'referrals'}}}:closing"


async def tally(
    store: EventStore[ReferralEvent], days: Sequence[date]
) -> Mapping[tuple[str, date], Tally]:
    """Every board at the end of each of these days, in one pass over the log."""
    ends = [(day, _end_ms(day)) for day in sorted(days)]
    tallies: dict[tuple[str, date], Tally] = {}
    async for history in histories(store):
        for day, standing in standings(history, ends):
            for board in (ALL, day.isoformat()[:7]):
                tallies.setdefault((board, day), Tally()).add(standing, board)
    return {key: counted for key, counted in tallies.items() if counted.levels}


def standings(
    history: History[ReferralEvent], ends: Sequence[tuple[date, int]]
) -> list[tuple[date, StandingView]]:
    """How a member stood at each of these ends, which must grow."""
    found: list[tuple[date, StandingView]] = []
    standing: StandingView | None = None
    commits = iter(history.commits)
    commit = next(commits, None)
    for day, end in ends:
        while commit is not None and commit.origin.at < end:
            for event in commit.events:
                standing = fold_standing(standing, event)
            commit = next(commits, None)
        if standing is not None:
            found.append((day, standing))
    return found


def _end_ms(day: date) -> int:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return int(midnight.timestamp() * 1000)
