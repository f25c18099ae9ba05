"""Load how leaderboards were closed at the ends of past days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from chassis.views.read_models import ReadModels
from contracts.points import CLOSED_DAYS
from contracts.ranking import Closes
from contracts.referrals import DayClosed


@dataclass(frozen=True, slots=True)
class ClosedDays:
    """Load closed days of boards."""

    read_models: ReadModels

    async def load(self, board: str, days: Sequence[date]) -> Closes:
        """Return the closes of one board, by day; days that were not closed are left out."""
        keys = [f"{board}.{day}" for day in days]
        stored = await self.read_models.entries(CLOSED_DAYS, keys)
        return {
            day: DayClosed.model_validate_json(text)
            for day, text in zip(days, stored, strict=True)
            if text is not None
        }
