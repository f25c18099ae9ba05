"""Count the boards at the ends of days from the last close and the streams that changed since.

A close counts every member; on most days few of them change. The store finds their streams, so that
only these are loaded and folded. The first close of each month counts the complete log: a board of
a month begins there, and an event that was appended after the close of its day is counted then.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from chassis.log.event_store import EventStore, History, UnknownEvent
from chassis.log.histories import LOADS_AT_ONCE
from chassis.log.slices import slices
from contracts.points import StandingView
from contracts.ranking import ALL_TIME, month_of
from contracts.referrals import DayClosed, ReferralEvent
from contracts.streams import BOARD_DAYS, MEMBERS
from referrals.projections import LEADERBOARD_VERSION
from referrals.tally import TOP_PLACES, BoardTally, Row, Tallies, end_ms, row_of, views_at

MAX_CHANGED_SHARE = 0.1
"""Share of the members above which counting the complete log takes less time."""

Views = Mapping[date, StandingView]
"""End of a day -> a member's view; days before the first event are absent."""


@dataclass(frozen=True, slots=True)
class LastClose:
    """Hold how the boards were closed at the end of the day before those to count."""

    day: date
    boards: Mapping[str, DayClosed]
    """Boards without members are absent."""

    @property
    def members(self) -> int:
        """Number of members on the board of all time."""
        return self.boards[ALL_TIME].members

    @property
    def top_streams(self) -> set[str]:
        """Streams of the members in the top places of any board."""
        return {
            MEMBERS.stream(place.member_id)
            for close in self.boards.values()
            for place in close.first
        }


async def tally_changes(store: EventStore[ReferralEvent], days: Sequence[date]) -> Tallies | None:
    """Count every board at the end of each of these days, as `tally_boards` does.

    Returns None if the complete log has to be counted instead: these days do not follow a close in
    the same month that counted every member by the same fold; or too many streams have changed, one
    of them cannot be read, or a member left the top places, so that the next one is not known.
    """
    last = await _last_close(store, min(days), max(days))
    if last is None:
        return None
    changed = await _changed_streams(store, last)
    if changed is None:
        return None
    try:
        views = await _views(store, sorted(changed | last.top_streams), [last.day, *sorted(days)])
    except UnknownEvent:
        return None
    tallies: dict[tuple[str, date], BoardTally] = {}
    for board in (ALL_TIME, month_of(last.day)):
        for day in days:
            tally = _tally(last, board, day, views)
            if tally is None:
                return None
            if tally.levels:
                tallies[board, day] = tally
    return tallies


async def _last_close(
    store: EventStore[ReferralEvent], first: date, newest: date
) -> LastClose | None:
    day = first - timedelta(days=1)
    if not month_of(day) == month_of(first) == month_of(newest):
        return None
    boards: dict[str, DayClosed] = {}
    for board in (ALL_TIME, month_of(day)):
        history = await store.load(BOARD_DAYS.stream(f"{board}.{day}"))
        boards |= {event.board: event for event in history.events if isinstance(event, DayClosed)}
    known = all(close.counted_by == LEADERBOARD_VERSION for close in boards.values())
    return LastClose(day, boards) if known and ALL_TIME in boards else None


async def _changed_streams(store: EventStore[ReferralEvent], last: LastClose) -> set[str] | None:
    """Return the members' streams with events after the close; None if there are too many."""
    limit = max(TOP_PLACES, MAX_CHANGED_SHARE * last.members)
    changed: set[str] = set()
    async for page in store.scan_heads(since_ms=end_ms(last.day)):
        changed.update(stream for stream in page.heads if stream in MEMBERS)
        if len(changed) > limit:
            return None
    return changed


async def _views(
    store: EventStore[ReferralEvent], streams: Sequence[str], days: Sequence[date]
) -> list[Views]:
    ends = [(day, end_ms(day)) for day in days]
    views: list[Views] = []
    async for some in slices(streams, LOADS_AT_ONCE):
        histories: list[History[ReferralEvent]] = await asyncio.gather(*map(store.load, some))
        views += [dict(views_at(ends, history)) for history in histories]
    return views


def _tally(last: LastClose, board: str, day: date, views: Sequence[Views]) -> BoardTally | None:
    """Replace what each loaded member added to the last close by what it adds at `day`.

    The members that were not loaded were below the top places, and have not changed: none of them
    can be among the top as long as its last place is not below that of the last close.
    """
    before, tally = BoardTally(), BoardTally()
    for each in views:
        _add(before, each.get(last.day), board)
        _add(tally, each.get(day), board)
    others = _levels(last.boards.get(board))
    others.subtract(before.levels)
    if min(others.values(), default=0) < 0:
        return None
    if any(others.values()) and _below(tally.last_of_top, before.last_of_top):
        return None
    tally.levels += others
    return tally


def _add(tally: BoardTally, view: StandingView | None, board: str) -> None:
    row = None if view is None else row_of(view, board)
    if row is not None:
        tally.add(row)


def _levels(close: DayClosed | None) -> Counter[int]:
    if close is None:
        return Counter()
    return Counter({level.points: level.members for level in close.levels})


def _below(row: Row | None, bound: Row | None) -> bool:
    """Return whether a last place is below the bound, or one of the two is unknown."""
    return row is None or bound is None or row < bound
