"""Where the caller stands: points and their causes, boards, charts; now, and at any past date.

Points of a past moment are a sum over the own ledger. A rank of a past day follows from that day's
close, which tells how many members had how many points.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, Literal

import orjson
from pydantic import Field

from chassis.views.boards import Boards
from contracts.messages import UnixTime
from contracts.referrals import DayClosed
from contracts.standing import (
    ChartPoint,
    ChartResponse,
    ChartsResponse,
    InviteChartResponse,
    InviteStatsResponse,
    LeaderboardPage,
    LeaderboardRow,
    LedgerEntry,
    LedgerPage,
    PointsView,
    StatsMeta,
)
from gateway.api.referrals import PRIVATE, page_back
from gateway.http.endpoints import own_document
from gateway.http.problems import FieldError, Problem, invalid, malformed, not_found
from gateway.http.requests import Body, read_query
from gateway.http.routing import Answer, RequestContext

POINTS: Final = "points"
LEADERBOARD: Final = "leaderboard"
CLOSES: Final = "closes"
ALL: Final = "all"
DAY: Final = 86_400
MOST_POINTS: Final = 366
"""Of a chart."""
LEDGER_PAGE: Final = 50
WINDOWS: Final = {"24h": 1, "7d": 7, "30d": 30}
_SERIES: Final = frozenset({"points", "rank"})

At = Annotated[
    int, Field(ge=0, le=2**33, strict=False, description="As it was then, in UNIX seconds.")
]


class StatsQuery(Body):
    window: Annotated[
        Literal["24h", "7d", "30d"], Field(description="What differences and charts span.")
    ] = "24h"
    at: At | None = None


class ChartQuery(Body):
    series: Annotated[str, Field(description="`points`, `rank` or both.")] = "points,rank"
    from_: Annotated[
        int, Field(alias="from", ge=0, le=2**33, strict=False, description="UNIX seconds.")
    ]
    to: At | None = None
    step: Annotated[str, Field(pattern=r"^[1-9]\d?d$", description="FastResponse days.")] = "1d"


class LedgerQuery(Body):
    cursor: Annotated[str, Field(pattern=r"^\d{1,6}$")] | None = None


class BoardQuery(Body):
    around: Literal["me"] | None = None
    limit: Annotated[int, Field(ge=1, le=100, strict=False)] = 10
    period: Literal["all", "month"] = "all"
    at: At | None = None
    cursor: Annotated[str, Field(pattern=r"^\d{1,9}$")] | None = None


# The ledger


async def show_ledger(context: RequestContext) -> Answer:
    query = read_query(context.request, LedgerQuery)
    view = await _points(context)
    items, following = page_back(list(view.entries), query.cursor, LEDGER_PAGE)
    answer = LedgerPage(
        points=view.points, pending=view.pending, items=tuple(items), next=following
    )
    return Answer(200, answer.model_dump_json().encode(), PRIVATE)


# Numbers and charts


async def invite_stats(context: RequestContext) -> Answer:
    query = read_query(context.request, StatsQuery)
    view = await _points(context)
    now = int(time.time())
    as_of = _moment(query.at, now, view)
    start = as_of - WINDOWS[query.window] * DAY
    closes = await _closes(context, ALL, _days(start - DAY, as_of))
    ranks = ranks_of(view, closes)
    if query.at is None:
        rank, total = await _live(context)
    else:
        rank, total = _last(ranks, closes, as_of)
    before, _ = _last(ranks, closes, start)
    between = [end for end in map(_end, _days(start, as_of)) if start < end < as_of]
    moments = [start, *between, as_of]
    rank_points = [(_end(day), value) for day, value in ranks.items() if _end(day) <= as_of]
    if query.at is None and rank is not None:
        rank_points.append((as_of, rank))
    answer = InviteStatsResponse(
        points=points_at(view.entries, as_of),
        points_difference=points_at(view.entries, as_of) - points_at(view.entries, start),
        rank=rank,
        total_rank=total,
        rank_difference=None if rank is None or before is None else rank - before,
        invited=_invited_at(view.entries, as_of),
        total_invites=view.total_invites,
        invite_chart=InviteChartResponse(
            points_chart=chart((at, points_at(view.entries, at)) for at in moments),
            rank_chart=chart(rank_points),
        ),
        meta=StatsMeta(
            as_of=as_of,
            window=query.window,
            pending=_pending_at(view.entries, as_of),
            position=f"member-{view.member_id}@{view.version}",
        ),
    )
    return Answer(200, answer.model_dump_json().encode(), PRIVATE)


async def show_charts(context: RequestContext) -> Answer:
    query = read_query(context.request, ChartQuery)
    view = await _points(context)
    now = int(time.time())
    to, step = min(query.to if query.to is not None else now, now), int(query.step[:-1])
    series = set(query.series.split(","))
    if not series <= _SERIES:
        raise malformed("series: takes points, rank, or both with a comma between")
    if query.from_ >= to:
        raise malformed("from: must lie before to, and before now")
    if (to - query.from_) // (step * DAY) + 1 > MOST_POINTS:
        raise malformed(f"step: more than {MOST_POINTS} points; take longer steps")
    days = [day for day in _days(query.from_, to) if query.from_ <= _end(day) <= to][::step]
    answer = ChartsResponse()
    if "points" in series:
        ends = [_end(day) for day in days]
        points = chart((at, points_at(view.entries, at)) for at in ends if at >= view.since)
        answer = answer.model_copy(update={"points": points})
    if "rank" in series:
        ranks = ranks_of(view, await _closes(context, ALL, days))
        rank_points = chart((_end(day), rank) for day, rank in ranks.items())
        answer = answer.model_copy(update={"rank": rank_points})
    # the series that were not asked for are left out; what is null in the others is told
    return Answer(200, answer.model_dump_json(exclude_unset=True).encode(), PRIVATE)


# Boards


async def show_leaderboard(context: RequestContext) -> Answer:
    query = read_query(context.request, BoardQuery)
    now = int(time.time())
    if query.at is not None and query.at > now:
        raise invalid([FieldError("at", "lies in the future")])
    if query.at is not None:
        page = await _past_board(context, query, query.at)
    else:
        page = await _live_board(context, query, now)
    return Answer(200, page.model_dump_json().encode(), PRIVATE)


async def _live_board(context: RequestContext, query: BoardQuery, now: int) -> LeaderboardPage:
    board = ALL if query.period == "all" else _day_of(now).isoformat()[:7]
    own = f"member-{context.caller.subject}"
    around, first = query.around is not None, int(query.cursor or 0)
    page = await Boards(context.parts.referrals, LEADERBOARD).page(
        board, member=own, around=around, first=first, most=query.limit
    )
    rows = [
        LeaderboardRow(
            rank=row.rank,
            display_name=orjson.loads(row.entry)["displayName"],
            points=row.whole,
            is_me=row.member == own,
        )
        for row in page.rows
    ]
    me = next((row for row in rows if row.is_me), None)
    if me is None and page.own_rank is not None and page.own_score is not None:
        me = await _own_row(context, own, page.own_rank, int(page.own_score))
    if around and me is None:
        rows = []  # there is no place around which to look
    after = page.first + len(rows)
    return LeaderboardPage(
        board=board,
        as_of=now,
        total=page.total,
        me=me,
        items=tuple(rows),
        next=str(after) if rows and after < page.total else None,
    )


async def _own_row(context: RequestContext, own: str, rank: int, points: int) -> LeaderboardRow:
    entry = await Boards(context.parts.referrals, LEADERBOARD).entry(own)
    name = orjson.loads(entry)["displayName"] if entry else ""
    return LeaderboardRow(rank=rank, display_name=name, points=points, is_me=True)


async def _past_board(context: RequestContext, query: BoardQuery, at: int) -> LeaderboardPage:
    """The first hundred as they were kept, and the caller's own place, which follows."""
    if query.around is not None or query.cursor is not None:
        field = "around" if query.around is not None else "cursor"
        detail = "of a past day the first hundred are kept, and your own place: leave it out"
        raise invalid([FieldError(field, detail)])
    day = _day_of(at) - timedelta(days=1)  # the last that had ended by then
    board = ALL if query.period == "all" else _day_of(at).isoformat()[:7]
    (close,) = (await _closes(context, board, [day])).values() or (None,)
    if close is None:
        raise not_found("Nobody has kept how this board stood then.", code="day_not_closed")
    subject = context.caller.subject
    rows = [
        LeaderboardRow(
            rank=rank_among(close, place.points),
            display_name=place.display_name,
            points=place.points,
            is_me=place.member_id == subject,
        )
        for place in close.first[: query.limit]
    ]
    me = next((row for row in rows if row.is_me), None)
    return LeaderboardPage(
        board=board,
        as_of=_end(day),
        total=close.members,
        me=me or await _own_past_row(context, close, day),
        items=tuple(rows),
    )


async def _own_past_row(
    context: RequestContext, close: DayClosed, day: date
) -> LeaderboardRow | None:
    own = f"member-{context.caller.subject}"
    document = await context.parts.referrals.document(POINTS, own)
    view = None if document is None else PointsView.model_validate_json(document.body)
    if view is None or not 0 < view.since <= _end(day):
        return None
    since = _month_start(day) if close.board != ALL else 0
    points = points_at(view.entries, _end(day)) - (points_at(view.entries, since) if since else 0)
    if close.board != ALL and points <= 0:
        return None
    return await _own_row(context, own, rank_among(close, points), points)


# What follows from a ledger and from closes


def points_at(entries: Iterable[LedgerEntry], at: int) -> int:
    """What counted before this moment: at midnight, everything of the day that ends with it."""
    return sum(
        entry.delta
        for entry in entries
        if entry.state == "confirmed" and entry.settled_at is not None and entry.settled_at < at
    )


def rank_among(close: DayClosed, points: int) -> int:
    return 1 + sum(level.members for level in close.levels if level.points > max(points, 0))


def ranks_of(view: PointsView, closes: dict[date, DayClosed]) -> dict[date, int]:
    """The member's rank at the end of each of these days on which it was a member."""
    return {
        day: rank_among(close, points_at(view.entries, _end(day)))
        for day, close in closes.items()
        if 0 < view.since < _end(day)
    }


def chart(points: Iterable[tuple[int, int]]) -> ChartResponse:
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


def _pending_at(entries: Iterable[LedgerEntry], at: int) -> int:
    return sum(
        entry.delta
        for entry in entries
        if entry.at < at and (entry.settled_at is None or entry.settled_at >= at)
    )


def _invited_at(entries: Iterable[LedgerEntry], at: int) -> int:
    weights = {"referral": 1, "referral_reversed": -1}
    return sum(
        weights.get(entry.reason, 0)
        for entry in entries
        if entry.state == "confirmed" and entry.settled_at is not None and entry.settled_at < at
    )


def _last(
    ranks: dict[date, int], closes: dict[date, DayClosed], at: int
) -> tuple[int | None, int | None]:
    """Rank and number of members at the last close before this moment."""
    day = _day_of(at) - timedelta(days=1)
    close = closes.get(day)
    return ranks.get(day), None if close is None else close.members


async def _live(context: RequestContext) -> tuple[int | None, int | None]:
    page = await Boards(context.parts.referrals, LEADERBOARD).page(
        ALL, member=f"member-{context.caller.subject}"
    )
    return page.own_rank, page.total


async def _points(context: RequestContext) -> PointsView:
    document = await own_document(context, POINTS)
    view = None if document is None else PointsView.model_validate_json(document.body)
    if view is None or not view.since:
        raise not_found("You have no account yet.", code="no_account")
    return view


async def _closes(
    context: RequestContext, board: str, days: Sequence[date]
) -> dict[date, DayClosed]:
    stored = await context.parts.referrals.entries(CLOSES, [f"{board}.{day}" for day in days])
    return {
        day: DayClosed.model_validate_json(text)
        for day, text in zip(days, stored, strict=True)
        if text is not None
    }


def _moment(at: int | None, now: int, view: PointsView) -> UnixTime:
    """The moment that is asked for; now is the end of this second, so that all of it counts."""
    if at is None:
        return now + 1
    if at > now:
        raise invalid([FieldError("at", "lies in the future")])
    if at < view.since:
        raise Problem(404, "no_account", "You had no account then.")
    return at


def _days(start: int, end: int) -> list[date]:
    """The days (UTC) that these two moments lie in, and those between."""
    first, last = _day_of(start), _day_of(end)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _day_of(at: int) -> date:
    return datetime.fromtimestamp(at, UTC).date()


def _end(day: date) -> int:
    """The midnight that ends the day."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + DAY


def _month_start(day: date) -> int:
    return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp())
