"""Serve the leaderboard of all time or of a month, now and at past days."""

import time
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import Field

from chassis.views.boards import BoardPage, Boards
from chassis.views.read_models import ReadModels
from contracts.messages import UnixTime, View
from contracts.points import (
    ANONYMOUS,
    CLOSED_BOARDS,
    ENDED_MONTHS,
    LEADERBOARD,
    LeaderboardPage,
    LeaderboardRow,
    StandingView,
)
from contracts.ranking import ALL_TIME, day_of, end_of, last_closed, month_of, points_on, rank_in
from contracts.referrals import Board, DayClosed
from contracts.streams import MEMBERS
from gateway.api.closed_days import ClosedDays
from gateway.api.ledgers import load_ledger
from gateway.api.own_ranks import board_position
from gateway.api.points import PastMoment
from gateway.http.bodies import Body
from gateway.http.own_documents import OwnDocuments
from gateway.http.problems import FieldError, invalid, not_found
from gateway.http.requests import read_query
from gateway.http.responses import PRIVATE, X_POSITION, Response, json_response
from gateway.http.routing import Auth, RequestContext, Route

MONTHS_PAGE: Final = 24
DEFAULT_ROWS: Final = 10


class BoardQuery(Body):
    around: Annotated[
        Literal["me"] | None, Field(description="`me`: the rows around your own.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=100, strict=False)] = DEFAULT_ROWS
    period: Annotated[
        Literal["all", "month"],
        Field(
            description="All time, or one month: the current one, or with `at` the month of the "
            "last day that had ended then."
        ),
    ] = "all"
    at: PastMoment | None = None
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,9}$")] | None = None


class EndedMonth(View):
    """A month whose board is final."""

    board: Board
    """Such as 2026-11."""
    at: UnixTime
    """The end of the month: `period=month` with this `at` shows its board."""
    members: int
    """Members who earned points in it."""


class EndedMonths(View):
    items: tuple[EndedMonth, ...]
    next: str | None = None
    """Cursor of the next page."""


class MonthsQuery(Body):
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,6}$")] | None = None


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Rank members by points, under the names that they want to be seen by."""

    read_models: ReadModels
    closed_days: ClosedDays
    own_documents: OwnDocuments

    async def show(self, context: RequestContext) -> Response:
        """Return rows of a board, and the caller's own row."""
        query, now = read_query(context, BoardQuery), int(time.time())
        if query.at is None:
            page = await self._current(context, query, now)
        elif query.at <= now:
            page = await self._past(context.caller.subject, query, query.at)
        else:
            raise invalid([FieldError("at", "This time is in the future.")])
        position = {} if page.position is None else {X_POSITION: page.position}
        return json_response(page, headers={**PRIVATE, **position})

    async def list_months(self, context: RequestContext) -> Response:
        """Return the months whose boards are final, the latest first."""
        first = int(read_query(context, MonthsQuery).cursor or 0)
        page = await Boards(self.read_models, CLOSED_BOARDS).page(
            ENDED_MONTHS, first=first, limit=MONTHS_PAGE
        )
        closed = [row.view for row in page.rows]
        items = tuple(
            EndedMonth(
                board=each.board, at=end_of(date.fromisoformat(each.day)), members=each.members
            )
            for each in closed
        )
        after = first + len(items)
        following = str(after) if items and after < page.total else None
        return json_response(EndedMonths(items=items, next=following), headers=PRIVATE)

    async def _current(
        self, context: RequestContext, query: BoardQuery, now: int
    ) -> LeaderboardPage:
        board = ALL_TIME if query.period == "all" else month_of(day_of(now))
        own, around = MEMBERS.stream(context.caller.subject), query.around is not None

        async def read() -> BoardPage[StandingView]:
            return await self._boards.page(
                board, member=own, around=around, first=int(query.cursor or 0), limit=query.limit
            )

        page = await self.own_documents.new_enough(
            context, await read(), read, lambda page: page.member_version
        )
        return await self.page_of(own, board, page, around=around)

    async def page_of(
        self, own: str, board: str, page: BoardPage[StandingView], *, around: bool
    ) -> LeaderboardPage:
        """Return rows that were read from a current board, as the member `own` sees them."""
        rows = [
            _row(row.view, row.rank, row.ranking_score, is_me=row.member == own)
            for row in page.rows
        ]
        me = next((row for row in rows if row.is_me), None)
        if me is None and page.member_rank is not None and page.member_score is not None:
            me = await self._own_row(own, page.member_rank, int(page.member_score))
        if around and me is None:
            rows = []  # the caller is not on the board
        after = page.first + len(rows)
        return LeaderboardPage(
            board=board,
            as_of=int(time.time()),
            position=f"{own}@{page.member_version}" if page.member_version else None,
            board_position=board_position(page),
            total=page.total,
            me=me,
            items=tuple(rows),
            next=str(after) if rows and after < page.total else None,
        )

    async def _past(self, member_id: str, query: BoardQuery, at: int) -> LeaderboardPage:
        """Return the stored top of the last closed day, and the caller's row computed from it."""
        if query.around is not None or query.cursor is not None:
            field = "around" if query.around is not None else "cursor"
            detail = (
                "For a past day only the top 100 and your own rank are available; "
                "omit this parameter."
            )
            raise invalid([FieldError(field, detail)])
        day = last_closed(at)
        board = ALL_TIME if query.period == "all" else month_of(day)
        close = (await self.closed_days.load(board, [day])).get(day)
        if close is None:
            raise not_found("No leaderboard was stored for that day.", code="day_not_closed")
        own, *views = await self._boards.views(
            [MEMBERS.stream(member) for member in (member_id, *_members(close, query.limit))]
        )
        rows = [
            _row(
                view, rank_in(close, place.points), place.points, is_me=place.member_id == member_id
            )
            for place, view in zip(close.first, views, strict=False)
        ]
        me = next((row for row in rows if row.is_me), None)
        return LeaderboardPage(
            board=board,
            as_of=end_of(day),
            total=close.members,
            me=me or await self._own_past_row(member_id, own, close, day),
            items=tuple(rows),
        )

    async def _own_past_row(
        self, member_id: str, own: StandingView | None, close: DayClosed, day: date
    ) -> LeaderboardRow | None:
        view = await load_ledger(self.read_models, MEMBERS.stream(member_id))
        points = None if view is None else points_on(close.board, view, day)
        return None if points is None else _row(own, rank_in(close, points), points, is_me=True)

    async def _own_row(self, stream: str, rank: int, points: int) -> LeaderboardRow:
        return _row(await self._boards.view(stream), rank, points, is_me=True)

    @property
    def _boards(self) -> Boards[StandingView]:
        return Boards(self.read_models, LEADERBOARD)


def _members(close: DayClosed, limit: int) -> list[str]:
    """Return the members of the first rows of a closed board."""
    return [place.member_id for place in close.first[:limit]]


def _row(view: StandingView | None, rank: int, points: int, *, is_me: bool) -> LeaderboardRow:
    """Return a member's row under the current name, or an anonymous one.

    Boards of past days show it too: a name that is changed or withdrawn disappears from them.
    """
    anonymous = view is None or not view.on_boards
    name = ANONYMOUS if view is None else view.own_name if is_me else view.display_name
    return LeaderboardRow(
        rank=rank, display_name=name, points=points, is_me=is_me, anonymous=anonymous
    )


ROUTES: Final = (
    Route(
        "GET",
        "/v1/leaderboard",
        "show_leaderboard",
        Auth.PERSON,
        Leaderboard.show,
        summary="The leaderboard of all time or of a month, from the top or around you",
        limits=("reads",),
        positioned=True,
        query=BoardQuery,
        example={"limit": 10},
        response=LeaderboardPage,
        problems=(404,),
    ),
    Route(
        "GET",
        "/v1/leaderboard/months",
        "list_months",
        Auth.PERSON,
        Leaderboard.list_months,
        summary="The months whose leaderboards are final, the latest first",
        limits=("reads",),
        query=MonthsQuery,
        response=EndedMonths,
    ),
)
