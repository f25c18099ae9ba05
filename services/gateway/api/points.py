"""Where the caller stands: points and their causes, boards, charts; now, and at any past date."""

import time
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final, Literal

import orjson
from pydantic import Field

from chassis.views.boards import Boards
from contracts import ranking
from contracts.messages import UnixTime
from contracts.points import (
    CLOSED_DAYS,
    LEADERBOARD,
    POINTS,
    ChartsResponse,
    LeaderboardPage,
    LeaderboardRow,
    LedgerPage,
    PointsView,
)
from contracts.ranking import (
    ALL_TIME,
    DAY,
    Period,
    Position,
    Window,
    day_of,
    days_between,
    end_of,
    last_closed,
    month_of,
    points_chart,
    points_on,
    rank_chart,
    rank_in,
)
from contracts.referrals import DayClosed
from contracts.streams import MEMBERS
from gateway.api.referrals import PRIVATE, page_back
from gateway.http.bodies import Body
from gateway.http.endpoints import own_document
from gateway.http.problems import FieldError, Problem, invalid, malformed, not_found
from gateway.http.requests import read_query
from gateway.http.responses import Response
from gateway.http.routing import RequestContext

MOST_POINTS: Final = 366
"""Of a chart."""
LEDGER_PAGE: Final = 50
_SERIES: Final = frozenset({"points", "rank"})

At = Annotated[
    int, Field(ge=0, le=2**33, strict=False, description="As it was then, in UNIX seconds.")
]


class StatsQuery(Body):
    window: Annotated[Window, Field(description="What differences and charts span.")] = "24h"
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


async def show_ledger(context: RequestContext) -> Response:
    query = read_query(context, LedgerQuery)
    view = await _points(context)
    items, following = page_back(list(view.entries), query.cursor, LEDGER_PAGE)
    answer = LedgerPage(
        points=view.points, pending=view.pending, items=tuple(items), next=following
    )
    return Response(200, answer.model_dump_json().encode(), PRIVATE)


# Numbers and charts


async def invite_stats(context: RequestContext) -> Response:
    query = read_query(context, StatsQuery)
    view = await _points(context)
    period = Period(query.window, _moment(query.at, int(time.time()), view))
    closes = await _closes(context, ALL_TIME, period.days)
    current = await _current_position(context) if query.at is None else None
    stats = ranking.invite_stats(view, closes, period, current)
    return Response(200, stats.model_dump_json().encode(), PRIVATE)


async def show_charts(context: RequestContext) -> Response:
    query = read_query(context, ChartQuery)
    view = await _points(context)
    series = set(query.series.split(","))
    if not series <= _SERIES:
        raise malformed("series: takes points, rank, or both with a comma between")
    days = _days_of(query, int(time.time()))
    charts = ChartsResponse()
    if "points" in series:
        charts = charts.model_copy(update={"points": points_chart(view, days)})
    if "rank" in series:
        closes = await _closes(context, ALL_TIME, days)
        charts = charts.model_copy(update={"rank": rank_chart(view, closes)})
    # series that were not requested are omitted, nulls inside the others are not
    return Response(200, charts.model_dump_json(exclude_unset=True).encode(), PRIVATE)


def _days_of(query: ChartQuery, now: int) -> list[date]:
    to, step = min(query.to if query.to is not None else now, now), int(query.step[:-1])
    if query.from_ >= to:
        raise malformed("from: must lie before to, and before now")
    if (to - query.from_) // (step * DAY) + 1 > MOST_POINTS:
        raise malformed(f"step: more than {MOST_POINTS} points; take longer steps")
    days = days_between(query.from_, to)
    return [day for day in days if query.from_ <= end_of(day) <= to][::step]


# Boards


async def show_leaderboard(context: RequestContext) -> Response:
    query = read_query(context, BoardQuery)
    now = int(time.time())
    if query.at is not None and query.at > now:
        raise invalid([FieldError("at", "lies in the future")])
    if query.at is not None:
        page = await _past_board(context, query, query.at)
    else:
        page = await _live_board(context, query, now)
    return Response(200, page.model_dump_json().encode(), PRIVATE)


async def _live_board(context: RequestContext, query: BoardQuery, now: int) -> LeaderboardPage:
    board = ALL_TIME if query.period == "all" else month_of(day_of(now))
    own = MEMBERS.stream(context.caller.subject)
    around, first = query.around is not None, int(query.cursor or 0)
    page = await Boards(context.parts.referrals, LEADERBOARD).page(
        board, member=own, around=around, first=first, limit=query.limit
    )
    rows = [
        LeaderboardRow(
            rank=row.rank,
            display_name=orjson.loads(row.entry)["displayName"],
            points=row.ranking_score,
            is_me=row.member == own,
        )
        for row in page.rows
    ]
    me = next((row for row in rows if row.is_me), None)
    if me is None and page.member_rank is not None and page.member_score is not None:
        me = await _own_row(context, own, page.member_rank, int(page.member_score))
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
    day = last_closed(at)
    board = ALL_TIME if query.period == "all" else month_of(day_of(at))
    (close,) = (await _closes(context, board, [day])).values() or (None,)
    if close is None:
        raise not_found("Nobody has kept how this board stood then.", code="day_not_closed")
    subject = context.caller.subject
    rows = [
        LeaderboardRow(
            rank=rank_in(close, place.points),
            display_name=place.display_name,
            points=place.points,
            is_me=place.member_id == subject,
        )
        for place in close.first[: query.limit]
    ]
    me = next((row for row in rows if row.is_me), None)
    return LeaderboardPage(
        board=board,
        as_of=end_of(day),
        total=close.members,
        me=me or await _own_past_row(context, close, day),
        items=tuple(rows),
    )


async def _own_past_row(
    context: RequestContext, close: DayClosed, day: date
) -> LeaderboardRow | None:
    own = MEMBERS.stream(context.caller.subject)
    document = await context.parts.referrals.document(POINTS, own)
    view = None if document is None else PointsView.model_validate_json(document.body)
    points = None if view is None else points_on(close.board, view, day)
    if points is None:
        return None
    return await _own_row(context, own, rank_in(close, points), points)


async def _current_position(context: RequestContext) -> Position:
    page = await Boards(context.parts.referrals, LEADERBOARD).page(
        ALL_TIME, member=MEMBERS.stream(context.caller.subject)
    )
    return Position(page.member_rank, page.total)


async def _points(context: RequestContext) -> PointsView:
    document = await own_document(context, POINTS)
    view = None if document is None else PointsView.model_validate_json(document.body)
    if view is None or not view.since:
        raise not_found("You have no account yet.", code="no_account")
    return view


async def _closes(
    context: RequestContext, board: str, days: Sequence[date]
) -> dict[date, DayClosed]:
    stored = await context.parts.referrals.entries(CLOSED_DAYS, [f"{board}.{day}" for day in days])
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
