"""Compute charts day by day: other requests are served between two days."""

import asyncio
from collections.abc import Sequence
from datetime import date

from contracts.points import ChartResponse, PointsView
from contracts.ranking import ALL_TIME, chart, daily_points, end_of, ranks_of
from gateway.api.closed_days import ClosedDays


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
