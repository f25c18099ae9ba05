"""Serve a member's points: statistics, charts and the ledger, now and at past moments."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final

from pydantic import Field

from chassis.views.lists import Lists
from chassis.views.read_models import ReadModels
from contracts.messages import UnixTime
from contracts.points import (
    ALL_ENTRIES,
    POINTS,
    POINTS_SUMMARY,
    ChartsResponse,
    InviteStatsResponse,
    PointsView,
)
from contracts.ranking import (
    ALL_TIME,
    DAY,
    Period,
    Window,
    days_between,
    end_of,
)
from contracts.streams import MEMBERS
from gateway.api.charts import current_statistics, points_chart, rank_chart, statistics
from gateway.api.closed_days import ClosedDays
from gateway.api.explanations import LEDGER_PAGE, Explanations, LedgerPage
from gateway.api.ledgers import load_ledger
from gateway.api.own_ranks import OwnRanks
from gateway.http.bodies import Body
from gateway.http.own_documents import OwnDocuments
from gateway.http.problems import FieldError, Problem, invalid, malformed, not_found
from gateway.http.requests import read_query
from gateway.http.responses import PRIVATE, X_POSITION, Response, json_response
from gateway.http.routing import Auth, RequestContext, Route
from gateway.limits.rate_limit import charge_person
from token_bucket import RateLimiter

MAX_CHART_POINTS: Final = 366
DAYS_OF_REQUEST: Final = 30
"""Days of a chart that are charged as one request."""
_SERIES: Final = frozenset({"points", "rank"})

PastMoment = Annotated[
    int, Field(ge=0, le=2**33, strict=False, description="As of then, in UNIX seconds.")
]


class StatsQuery(Body):
    window: Annotated[Window, Field(description="The span that differences and charts cover.")] = (
        "24h"
    )
    at: PastMoment | None = None


class ChartQuery(Body):
    series: Annotated[str, Field(max_length=40, description="`points`, `rank` or both.")] = (
        "points,rank"
    )
    from_: Annotated[
        int, Field(alias="from", ge=0, le=2**33, strict=False, description="UNIX seconds.")
    ]
    to: PastMoment | None = None
    step: Annotated[
        str, Field(pattern=r"^[1-9][0-9]?d$", description="Days between two points, such as 7d.")
    ] = "1d"


class LedgerQuery(Body):
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,9}$")] | None = None


@dataclass(frozen=True, slots=True)
class Points:
    """Serve a member's points and ranks."""

    read_models: ReadModels
    own_documents: OwnDocuments
    closed_days: ClosedDays
    limiter: RateLimiter
    explanations: Explanations
    own_ranks: OwnRanks

    async def show_ledger(self, context: RequestContext) -> Response:
        """Return the entries that make up the caller's points, newest first, each explained."""
        query = read_query(context, LedgerQuery)
        await self._check_account(context)
        after = None if query.cursor is None else float(query.cursor)
        page = await Lists(self.read_models, POINTS).page(
            MEMBERS.stream(context.caller.subject), ALL_ENTRIES, after=after, limit=LEDGER_PAGE
        )
        if page.summary is None:
            raise _no_account()
        following = None if page.next is None else str(int(page.next))
        entries = [row.view for row in page.items]
        ledger = await self.explanations.page(page.summary.view, entries, following)
        return json_response(ledger, headers={**PRIVATE, X_POSITION: ledger.position})

    async def show_stats(self, context: RequestContext) -> Response:
        """Return points and rank, and their changes over a window that ends now or in the past."""
        query = read_query(context, StatsQuery)
        if query.at is not None:
            return json_response(await self._past(context, query.window, query.at), headers=PRIVATE)
        await self._check_account(context)
        own_rank = await self.own_ranks.load(context.caller.subject)
        if own_rank is None:
            raise _no_account()
        stats = await current_statistics(own_rank, self.closed_days, query.window)
        return json_response(stats, headers={**PRIVATE, X_POSITION: own_rank.position})

    async def _past(
        self, context: RequestContext, window: Window, at: UnixTime
    ) -> InviteStatsResponse:
        view = await self._own_points(context)
        period = Period(window, _as_of(at, int(time.time()), view))
        closes = await self.closed_days.load(ALL_TIME, period.days)
        return await statistics(view, closes, period, None)

    async def show_charts(self, context: RequestContext) -> Response:
        """Return points and ranks at the ends of days; each further month is another request."""
        query = read_query(context, ChartQuery)
        series, days = _series(query), _days(query, int(time.time()))
        if further := len(days) // DAYS_OF_REQUEST:
            context.info.decision = await charge_person(self.limiter, "reads", context, further)
        view = await self._own_points(context)
        charts = ChartsResponse()
        if "points" in series:
            charts = charts.model_copy(update={"points": await points_chart(view, days)})
        if "rank" in series:
            ranks = await rank_chart(view, self.closed_days, days)
            charts = charts.model_copy(update={"rank": ranks})
        # omits the series that were not requested, but no null inside the others
        return Response(200, charts.model_dump_json(exclude_unset=True).encode(), PRIVATE)

    async def _own_points(self, context: RequestContext) -> PointsView:
        await self._check_account(context)
        view = await load_ledger(self.read_models, MEMBERS.stream(context.caller.subject))
        if view is None:
            raise _no_account()
        return view

    async def _check_account(self, context: RequestContext) -> None:
        """Wait until the ledger is as new as the caller demands; check that there is one.

        Raises:
            Problem: 404 if the caller has no account.
        """
        document = await self.own_documents.load(context, POINTS_SUMMARY)
        if document is None or not document.view.since:
            raise _no_account()


def _no_account() -> Problem:
    return not_found("You have no account yet.", code="no_account")


def _as_of(at: int, now: int, view: PointsView) -> UnixTime:
    """Return the requested time if the member had an account then."""
    if at > now:
        raise invalid([FieldError("at", "This time is in the future.")])
    if at < view.since:
        raise Problem(404, "no_account", "You had no account at that time.")
    return at


def _series(query: ChartQuery) -> set[str]:
    series = set(query.series.split(","))
    if not series <= _SERIES:
        raise malformed("series: Use points, rank, or both separated by a comma.")
    return series


def _days(query: ChartQuery, now: int) -> Sequence[date]:
    """Return the days whose ends are points of the chart."""
    to, step = min(query.to if query.to is not None else now, now), int(query.step[:-1])
    if query.from_ >= to:
        raise malformed("from: Choose a time before `to`, and in the past.")
    if (to - query.from_) // (step * DAY) + 1 > MAX_CHART_POINTS:
        detail = (
            f"step: The chart would have more than {MAX_CHART_POINTS} points. Use longer steps."
        )
        raise malformed(detail)
    days = days_between(query.from_, to)
    return [day for day in days if query.from_ <= end_of(day) <= to][::step]


ROUTES: Final = (
    Route(
        "GET",
        "/v1/referral/stats",
        "invite_stats",
        Auth.PERSON,
        Points.show_stats,
        summary="Your points and rank, and how both have changed; now or at a past time",
        limits=("reads",),
        prefetch=POINTS_SUMMARY,
        query=StatsQuery,
        example={"window": "7d"},
        response=InviteStatsResponse,
        problems=(404,),
    ),
    Route(
        "GET",
        "/v1/referral/chart",
        "referral_chart",
        Auth.PERSON,
        Points.show_charts,
        summary="Your points and ranks at the ends of days; each further month counts as a request",
        limits=("reads",),
        prefetch=POINTS_SUMMARY,
        query=ChartQuery,
        example={"from": 1_790_000_000, "step": "1d"},
        response=ChartsResponse,
        problems=(404,),
    ),
    Route(
        "GET",
        "/v1/points/ledger",
        "show_ledger",
        Auth.PERSON,
        Points.show_ledger,
        summary="The entries that make up your points, each with its cause in words",
        limits=("reads",),
        prefetch=POINTS_SUMMARY,
        query=LedgerQuery,
        response=LedgerPage,
        problems=(404,),
    ),
)
