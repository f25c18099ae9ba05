"""Compute charts and statistics in such a way that other requests are served meanwhile."""

import asyncio
import time
from collections.abc import Sequence
from datetime import date
from typing import Final

from contracts.messages import UnixTime
from contracts.points import ChartResponse, InviteStatsResponse, PointsView
from contracts.ranking import (
    ALL_TIME,
    Closes,
    Period,
    Position,
    Window,
    chart,
    daily_points,
    end_of,
    invite_stats,
    ranks_of,
)
from gateway.api.closed_days import ClosedDays
from gateway.api.own_ranks import OwnRank

ADDED_IN_LOOP: Final = 2_000
"""Entries of a ledger that may be added up on the event loop: a fraction of a millisecond."""


async def points_chart(view: PointsView, days: Sequence[date]) -> ChartResponse:
    """Return the member's points at the end of each day."""
    found = []
    for point in daily_points(view, days):
        found.append(point)
        await asyncio.sleep(0)
    return chart(found)


async def rank_chart(
    view: PointsView, closed_days: ClosedDays, days: Sequence[date]
) -> ChartResponse:
    """Return the member's rank at the end of each closed day."""
    ranks: dict[date, int] = {}
    async for day, close in closed_days.each(ALL_TIME, days):
        ranks |= ranks_of(view, {day: close})
    return chart((end_of(day), rank) for day, rank in ranks.items())


async def current_statistics(
    own_rank: OwnRank, closed_days: ClosedDays, window: Window
) -> InviteStatsResponse:
    """Return a member's statistics for a window that ends now."""
    period = Period(window, _now(own_rank.ledger))
    closes = await closed_days.load(ALL_TIME, period.days)
    current = Position(own_rank.rank, own_rank.total, own_rank.board_position)
    return await statistics(own_rank.ledger, closes, period, current)


def _now(ledger: PointsView) -> UnixTime:
    """Return the end of this second, or of a later one in which the service added an entry.

    All entries count, also if the clock of the service is ahead: so they do on the leaderboard.
    """
    moments = (moment for each in ledger.entries for moment in (each.at, each.settled_at or 0))
    return 1 + max((int(time.time()), *moments))


async def statistics(
    view: PointsView, closes: Closes, period: Period, current: Position | None
) -> InviteStatsResponse:
    """Return what `invite_stats` does; a long ledger is added up in a thread."""
    if len(view.entries) * (len(period.days) + 1) <= ADDED_IN_LOOP:
        return invite_stats(view, closes, period, current)
    return await asyncio.to_thread(invite_stats, view, closes, period, current)
