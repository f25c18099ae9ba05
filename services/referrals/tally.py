"""Count the boards at the ends of days, from the log alone."""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from chassis.log.event_store import History
from chassis.log.histories import Histories
from contracts.points import StandingView
from contracts.ranking import ALL_TIME, month_of
from contracts.referrals import BoardLevel, BoardPlace, CloseDay, ReferralEvent
from referrals.projections import fold_leaderboard
from referrals.views.leaderboard import scores

TOP_PLACES = 100
"""Number of places that a close stores with their members."""

Row = tuple[float, str, str]
"""Score, member id, masked address. A member who does not want to be seen has an empty address, and
no chosen name is stored: readers look up the current ones."""


@dataclass(slots=True)
class BoardTally:
    """Count one board at the end of a day, in memory for its levels and its top places only."""

    levels: Counter[int] = field(default_factory=Counter)
    """Points -> number of members who have them."""
    _top: list[Row] = field(default_factory=list)
    """Heap of the top places."""

    def add(self, row: Row) -> None:
        """Count a member."""
        self.levels[int(row[0])] += 1
        if len(self._top) < TOP_PLACES:
            heapq.heappush(self._top, row)
        else:
            heapq.heappushpop(self._top, row)

    @property
    def last_of_top(self) -> Row | None:
        """The last of the top places; None while some are free."""
        return self._top[0] if len(self._top) == TOP_PLACES else None

    def command(self, board: str, day: date, counted_by: int) -> CloseDay:
        """Return the command that stores this tally; `counted_by` is the version of the fold."""
        levels = sorted(self.levels.items(), reverse=True)
        return CloseDay(
            board=board,
            day=day.isoformat(),
            levels=tuple(BoardLevel(points=points, members=n) for points, n in levels),
            first=tuple(
                BoardPlace(member_id=member_id, display_name=name, points=int(score))
                for score, member_id, name in sorted(self._top, reverse=True)
            ),
            counted_by=counted_by,
        )


Tallies = Mapping[tuple[str, date], BoardTally]
"""(board, day) -> tally; boards without members are absent."""


async def tally_boards(histories: Histories[ReferralEvent], days: Sequence[date]) -> Tallies:
    """Count every board at the end of each of these days, in one pass over the log."""
    ends = [(day, end_ms(day)) for day in sorted(days)]
    tallies: dict[tuple[str, date], BoardTally] = {}
    async for history in histories.read():
        for day, view in views_at(ends, history):
            for board in (ALL_TIME, month_of(day)):
                if (row := row_of(view, board)) is not None:
                    tallies.setdefault((board, day), BoardTally()).add(row)
    return tallies


def row_of(view: StandingView, board: str) -> Row | None:
    """Return a member's row on a board, or None if the member is not on it."""
    name = view.address_shown if view.on_boards else ""
    score = scores(view).get(board)
    return None if score is None else (score, view.member_id, name)


def views_at(
    ends: Sequence[tuple[date, int]], history: History[ReferralEvent]
) -> list[tuple[date, StandingView]]:
    """Return a member's view at the end of each day; `ends` are in ascending order."""
    found: list[tuple[date, StandingView]] = []
    view: StandingView | None = None
    commits = iter(history.commits)
    commit = next(commits, None)
    for day, end in ends:
        while commit is not None and commit.origin.at < end:
            for event in commit.events:
                view = fold_leaderboard(view, event)
            commit = next(commits, None)
        if view is not None:
            found.append((day, view))
    return found


def end_ms(day: date) -> int:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return int(midnight.timestamp() * 1000)
