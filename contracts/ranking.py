"""Compute points, ranks and charts of past times from a ledger and the closed days of a board.

Points of a past time are a sum over the member's ledger. A rank of a past day follows from that
day's close, which records how many members had how many points. Nothing here does I/O: callers load
a `PointsView` and the closes of the days that `days_of` names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

from contracts.messages import UnixTime
from contracts.points import (
    ChartPoint,
    ChartResponse,
    InviteChartResponse,
    InviteStatsResponse,
    LedgerEntry,
    PointsView,
    StatsMeta,
)
from contracts.referrals import DayClosed
from contracts.streams import MEMBERS

DAY: Final = 86_400
"""Seconds of a day."""
ALL_TIME: Final = "all"
"""Name of the board that counts every point; the other boards are named by a month."""
Window = Literal["24h", "7d", "30d"]
WINDOW_DAYS: Final[Mapping[Window, int]] = {"24h": 1, "7d": 7, "30d": 30}

Closes = Mapping[date, DayClosed]
"""Day -> how one board was closed at its end; days without a close are absent."""


@dataclass(frozen=True, slots=True)
class Position:
    """Describe a member's place on a board."""

    rank: int | None
    """None: the member is not on the board, or the day was not closed."""
    members: int | None
    """How many members the board has; None if the day was not closed."""
    board_position: str | None = None
    """The state of the live board that both were read from."""


@dataclass(frozen=True, slots=True)
class Period:
    """Describe the span that statistics cover: a window that ends at a moment."""

    window: Window
    as_of: UnixTime

    @property
    def start(self) -> UnixTime:
        return self.as_of - WINDOW_DAYS[self.window] * DAY

    @property
    def days(self) -> Sequence[date]:
        """The days whose closes `invite_stats` needs."""
        return days_between(self.start - DAY, self.as_of)


# Days, in UTC


def day_of(at: UnixTime) -> date:
    """Return the day of a moment."""
    return datetime.fromtimestamp(at, UTC).date()


def end_of(day: date) -> UnixTime:
    """Return the midnight that ends a day."""
    return _start_of(day) + DAY


def days_between(start: UnixTime, end: UnixTime) -> list[date]:
    """Return the days of two moments and all days between them."""
    first, last = day_of(start), day_of(end)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def last_closed(at: UnixTime) -> date:
    """Return the last day that had ended at a moment."""
    return day_of(at) - timedelta(days=1)


def month_of(day: date) -> str:
    """Return the name of the board of a day's month, such as 2026-11."""
    return day.isoformat()[:7]


def _start_of(day: date) -> UnixTime:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


# The ledger at a moment


def points_at(entries: Iterable[LedgerEntry], at: UnixTime) -> int:
    """Return the points that counted before a moment: at midnight, those of the ended day."""
    return sum(entry.delta for entry in entries if _counted(entry, at))


def pending_at(entries: Iterable[LedgerEntry], at: UnixTime) -> int:
    """Return the points that were waiting to be confirmed at a moment."""
    return sum(
        entry.delta
        for entry in entries
        if entry.at < at and (entry.settled_at is None or entry.settled_at >= at)
    )


def referred_at(entries: Iterable[LedgerEntry], at: UnixTime) -> int:
    """Return how many people the member had referred before a moment, less reversed referrals."""
    weights = {"referral": 1, "referral_reversed": -1}
    return sum(weights.get(entry.reason, 0) for entry in entries if _counted(entry, at))


def points_on(board: str, view: PointsView, day: date) -> int | None:
    """Return a member's points on a board at the end of a day.

    A month's board counts the points of that month. None if the member was not on the board: it had
    no account yet, or had earned nothing in the month.
    """
    if not 0 < view.since <= end_of(day):
        return None
    total = points_at(view.entries, end_of(day))
    if board == ALL_TIME:
        return total
    earned = total - points_at(view.entries, _start_of(day.replace(day=1)))
    return earned if earned > 0 else None


def _counted(entry: LedgerEntry, at: UnixTime) -> bool:
    return entry.state == "confirmed" and entry.settled_at is not None and entry.settled_at < at


# Ranks of closed days


def rank_in(close: DayClosed, points: int) -> int:
    """Return the rank that these points had when a board was closed: equal points, equal rank."""
    return 1 + sum(level.members for level in close.levels if level.points > max(points, 0))


def ranks_of(view: PointsView, closes: Closes) -> dict[date, int]:
    """Return the member's rank at the end of each closed day on which it had an account."""
    return {
        day: rank_in(close, points_at(view.entries, end_of(day)))
        for day, close in closes.items()
        if 0 < view.since < end_of(day)
    }


def position_at(view: PointsView, closes: Closes, at: UnixTime) -> Position:
    """Return the member's position at the last close before a moment."""
    day = last_closed(at)
    close = closes.get(day)
    return Position(ranks_of(view, closes).get(day), None if close is None else close.members)


# Charts and statistics


def chart(points: Iterable[tuple[UnixTime, int]]) -> ChartResponse:
    """Return a chart of (moment, value) pairs, in the order given."""
    data = tuple(ChartPoint(timestamp=at, value=value) for at, value in points)
    values = [point.value for point in data]
    return ChartResponse(
        num_datapoints=len(data),
        timestamp_min=data[0].timestamp if data else None,
        timestamp_max=data[-1].timestamp if data else None,
        value_min=min(values, default=None),
        value_max=max(values, default=None),
        data=data,
    )


def daily_points(view: PointsView, days: Iterable[date]) -> Iterator[tuple[UnixTime, int]]:
    """Yield the member's points at the end of each day, from when the account was opened."""
    for at in map(end_of, days):
        if at >= view.since:
            yield at, points_at(view.entries, at)


def invite_stats(
    view: PointsView, closes: Closes, period: Period, current: Position | None = None
) -> InviteStatsResponse:
    """Return the results of a member's invitations in a period.

    `closes` are those of the board of all time, for `period.days`. `current` is the member's
    position on the live board; None for a past period, whose closes contain the position.
    """
    entries, start, as_of = view.entries, period.start, period.as_of
    position = position_at(view, closes, as_of) if current is None else current
    before = position_at(view, closes, start)
    points = points_at(entries, as_of)
    return InviteStatsResponse(
        points=points,
        points_difference=points - points_at(entries, start),
        rank=position.rank,
        total_rank=position.members,
        rank_difference=_difference(position.rank, before.rank),
        invited=referred_at(entries, as_of),
        total_invites=view.total_invites,
        invite_chart=InviteChartResponse(
            points_chart=chart((at, points_at(entries, at)) for at in _moments(period)),
            rank_chart=chart(_ranks(view, closes, as_of, current)),
        ),
        meta=StatsMeta(
            as_of=as_of,
            window=period.window,
            pending=pending_at(entries, as_of),
            position=f"{MEMBERS.stream(view.member_id)}@{view.version}",
            board_position=position.board_position,
        ),
    )


def _moments(period: Period) -> list[UnixTime]:
    """Return the start, the end, and every midnight between them."""
    midnights = map(end_of, days_between(period.start, period.as_of))
    between = [at for at in midnights if period.start < at < period.as_of]
    return [period.start, *between, period.as_of]


def _ranks(
    view: PointsView, closes: Closes, as_of: UnixTime, current: Position | None
) -> list[tuple[UnixTime, int]]:
    ranks = [(end_of(day), rank) for day, rank in ranks_of(view, closes).items()]
    past = [(at, rank) for at, rank in ranks if at <= as_of]
    if current is None or current.rank is None:
        return past
    return [*past, (as_of, current.rank)]


def _difference(rank: int | None, before: int | None) -> int | None:
    return None if rank is None or before is None else rank - before
