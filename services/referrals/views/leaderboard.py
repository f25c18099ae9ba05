"""Change what ranks a member on the leaderboards (pure).

A member is on the board of all time, and on the board of each month in which it earned points.
"""

from typing import Final

from contracts.addresses import masked
from contracts.points import ANONYMOUS, StandingView
from contracts.ranking import ALL_TIME, day_of, month_of
from contracts.referrals import AccountOpened, ProfileSet
from referrals.points import PointEvent, counted_at, is_of_campaign, points_of

CLOCK_RANGE: Final = 2**33
"""UNIX seconds before which scores can be compared (the year 2242)."""


def opened(view: StandingView | None, event: AccountOpened) -> StandingView:
    """Return the view with the member's name, which puts the member on the boards."""
    view = view or StandingView(member_id=event.member_id, reached_at=event.opened_at)
    return _named(view.model_copy(update={"masked_address": masked(event.email)}))


def with_profile(view: StandingView | None, event: ProfileSet) -> StandingView | None:
    """Return the view with the name that other members see from now on."""
    update = {"chosen_name": event.display_name, "on_boards": event.on_boards}
    return view and _named(view.model_copy(update=update))


def _named(view: StandingView) -> StandingView:
    if not view.masked_address:  # the account is not open yet
        return view
    name = view.own_name if view.on_boards else ANONYMOUS
    return view.model_copy(update={"display_name": name})


def with_points(view: StandingView | None, event: PointEvent) -> StandingView | None:
    """Return the view with the points of an event; a campaign earns none."""
    if is_of_campaign(event):
        return view
    view = view or StandingView(member_id=event.member_id)
    points, at = points_of(event), counted_at(event)
    month = month_of(day_of(at))
    return view.model_copy(
        update={
            "points": view.points + points,
            "reached_at": at,
            "months": view.months | {month: view.months.get(month, 0) + points},
            "reached_in": view.reached_in | {month: at},
        }
    )


def scores(view: StandingView) -> dict[str, float | None]:
    """Return the score on each board; None where the member is not ranked.

    Every member with an open account is on the board of all time; a month's board has those who
    earned points in it.
    """
    has_opened = bool(view.display_name)
    boards: dict[str, float | None] = {
        ALL_TIME: score(view.points, view.reached_at) if has_opened else None
    }
    for month, points in view.months.items():
        ranked = has_opened and points > 0
        boards[month] = score(points, view.reached_in[month]) if ranked else None
    return boards


def score(points: int, reached_at: int) -> float:
    """Return the points plus a fraction that ranks the member first who reached them first."""
    return max(points, 0) + (CLOCK_RANGE - reached_at) / CLOCK_RANGE
