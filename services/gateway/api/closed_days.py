"""Load how leaderboards were closed at the ends of past days."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from chassis.views.read_models import ReadModels
from contracts.points import CLOSED_DAYS
from contracts.ranking import Closes
from contracts.referrals import DayClosed

SLICE: Final = 16
"""Days that are loaded at once: about 300 kB."""


@dataclass(frozen=True, slots=True)
class ClosedDays:
    """Load closed days of boards."""

    read_models: ReadModels

    async def load(self, board: str, days: Sequence[date]) -> Closes:
        """Return the closes of one board, by day; days that were not closed are left out."""
        return {day: close async for day, close in self.each(board, days)}

    async def each(self, board: str, days: Sequence[date]) -> AsyncIterator[tuple[date, DayClosed]]:
        """Yield the closes of one board, in the order of the days; see `load`.

        Parsing one takes up to a millisecond: other requests are served in between.
        """
        for start in range(0, len(days), SLICE):
            some = days[start : start + SLICE]
            stored = await self.read_models.entries(CLOSED_DAYS, [f"{board}.{day}" for day in some])
            for day, text in zip(some, stored, strict=True):
                if text is not None:
                    yield day, DayClosed.model_validate_json(text)
                    await asyncio.sleep(0)
