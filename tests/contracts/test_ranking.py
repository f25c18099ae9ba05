"""Points, ranks and charts of past moments, computed from a ledger and closed days."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.points import EntryState, LedgerEntry, PointsReason, PointsView
from contracts.ranking import (
    ALL_TIME,
    DAY,
    Closes,
    Period,
    Position,
    chart,
    daily_points,
    day_of,
    days_between,
    end_of,
    invite_stats,
    last_closed,
    month_of,
    pending_at,
    points_at,
    points_on,
    position_at,
    rank_in,
    ranks_of,
    referred_at,
)
from contracts.referrals import BoardLevel, DayClosed

TODAY = date(2026, 11, 3)
MORNING = end_of(TODAY - timedelta(days=1)) + 8 * 3600
JOINED = MORNING - 10 * DAY


def entry(
    delta: int,
    settled_at: int | None,
    *,
    at: int = JOINED,
    state: EntryState = "confirmed",
    reason: PointsReason = "referral",
) -> LedgerEntry:
    return LedgerEntry(
        delta=delta,
        state=state if settled_at is not None else "pending",
        reason=reason,
        cause="member-m@1",
        use_id="u",
        at=at,
        settled_at=settled_at,
        rules_version=1,
    )


def member(*entries: LedgerEntry, since: int = JOINED) -> PointsView:
    return PointsView(member_id="m", since=since, version=7, total_invites=10, entries=entries)


def close(day: date, *levels: tuple[int, int], board: str = ALL_TIME) -> DayClosed:
    return DayClosed(
        board=board,
        day=day.isoformat(),
        members=sum(members for _, members in levels),
        levels=tuple(BoardLevel(points=points, members=n) for points, n in levels),
        first=(),
        closed_at=end_of(day),
    )


def closes(*levels: tuple[int, int], back: int = 1) -> Closes:
    day = TODAY - timedelta(days=back)
    return {day: close(day, *levels)}


moments = st.integers(JOINED, MORNING + DAY)
entries = st.lists(
    st.builds(
        entry,
        st.integers(-200, 200),
        st.none() | moments,
        at=moments,
        state=st.sampled_from(["confirmed", "void"]),
    ),
    max_size=8,
)
levels = st.dictionaries(st.integers(0, 500), st.integers(1, 5), min_size=1, max_size=6)


# Days


@pytest.mark.slow
@given(moments, moments)
def test_days_between_covers_both_moments_without_gaps(one: int, other: int) -> None:
    start, end = sorted((one, other))
    days = days_between(start, end)
    assert (days[0], days[-1]) == (day_of(start), day_of(end))
    assert all(after - before == timedelta(days=1) for before, after in pairwise(days))


@given(moments)
def test_a_moment_lies_after_the_last_closed_day_and_in_its_own(at: int) -> None:
    assert end_of(last_closed(at)) <= at < end_of(day_of(at))


def test_a_month_names_its_board() -> None:
    assert month_of(TODAY) == "2026-11"


# The ledger


def test_points_of_an_ended_day_count_at_its_midnight() -> None:
    midnight = end_of(TODAY)
    ledger = [entry(100, midnight - 1), entry(10, midnight)]
    assert points_at(ledger, midnight) == 100
    assert points_at(ledger, midnight + 1) == 110


@pytest.mark.slow
@given(entries)
def test_at_the_end_of_time_everything_confirmed_counts(ledger: list[LedgerEntry]) -> None:
    confirmed = sum(each.delta for each in ledger if each.state == "confirmed")
    waiting = sum(each.delta for each in ledger if each.state == "pending")
    assert points_at(ledger, 2**40) == confirmed
    assert pending_at(ledger, 2**40) == waiting


@pytest.mark.slow
@given(entries, moments)
def test_an_entry_is_never_counted_and_pending_at_once(ledger: list[LedgerEntry], at: int) -> None:
    for each in ledger:
        if points_at([each], at):
            assert pending_at([each], at) == 0


def test_a_reversed_referral_is_deducted() -> None:
    ledger = [
        entry(100, JOINED + 1),
        entry(-100, JOINED + 2, reason="referral_reversed"),
        entry(10, JOINED + 3, reason="was_referred"),
    ]
    assert [referred_at(ledger, JOINED + n) for n in (1, 2, 3, 4)] == [0, 1, 0, 0]


def test_a_month_counts_only_what_was_earned_in_it() -> None:
    october = end_of(date(2026, 10, 30))
    view = member(entry(100, october), entry(10, MORNING))
    assert points_on(ALL_TIME, view, TODAY) == 110
    assert points_on("2026-11", view, TODAY) == 10
    assert points_on("2026-11", view, TODAY - timedelta(days=1)) is None


def test_a_member_without_an_account_yet_is_on_no_board() -> None:
    assert points_on(ALL_TIME, member(since=MORNING), TODAY - timedelta(days=1)) is None
    assert points_on(ALL_TIME, member(since=0), TODAY) is None
    assert points_on(ALL_TIME, member(since=MORNING), TODAY) == 0


# Ranks


@pytest.mark.slow
@given(levels)
def test_equal_points_share_a_rank_and_ranks_count_members(levels: dict[int, int]) -> None:
    closed = close(TODAY, *sorted(levels.items(), reverse=True))
    ahead = 0
    for points, members in sorted(levels.items(), reverse=True):
        assert rank_in(closed, points) == 1 + ahead
        ahead += members
    assert rank_in(closed, max(levels) + 1) == 1
    assert rank_in(closed, -1) == rank_in(closed, 0) <= closed.members + 1


@pytest.mark.slow
@given(levels, st.integers(-10, 600), st.integers(0, 100))
def test_more_points_never_rank_worse(levels: dict[int, int], points: int, more: int) -> None:
    closed = close(TODAY, *levels.items())
    assert rank_in(closed, points + more) <= rank_in(closed, points)


def test_days_before_the_account_have_no_rank() -> None:
    view = member(since=MORNING - DAY)
    both = {**closes((5, 2), back=1), **closes((5, 2), back=2)}
    assert ranks_of(view, both) == {TODAY - timedelta(days=1): 3}


def test_a_position_is_that_of_the_last_close() -> None:
    view = member(entry(3, JOINED + 1))
    assert position_at(view, closes((5, 2), (3, 1)), MORNING) == Position(3, 3)
    assert position_at(view, closes((5, 2), back=2), MORNING) == Position(None, None)


# Charts and statistics


def test_an_empty_chart_has_no_extremes() -> None:
    empty = chart(())
    assert (empty.num_datapoints, empty.data) == (0, ())
    assert (empty.timestamp_min, empty.timestamp_max) == (None, None)
    assert (empty.value_min, empty.value_max) == (None, None)


def test_charts_have_a_point_per_day_since_the_account_was_opened() -> None:
    days = days_between(MORNING - 2 * DAY, MORNING)
    view = member(entry(100, MORNING - DAY), since=MORNING - DAY)
    points = chart(daily_points(view, days))
    assert [point.value for point in points.data] == [100, 100]
    assert ranks_of(view, closes((300, 1), (100, 1))) == {days[1]: 2}


def test_current_statistics_compare_the_live_rank_with_the_rank_at_the_start() -> None:
    view = member(entry(100, MORNING - 3600), entry(50, None, at=MORNING - 10))
    stats = invite_stats(
        view, closes((500, 6), (0, 3), back=2), Period("24h", MORNING), Position(1, 3)
    )
    assert (stats.points, stats.points_difference, stats.invited) == (100, 100, 1)
    assert (stats.rank, stats.total_rank, stats.rank_difference) == (1, 3, 1 - 7)
    assert [point.value for point in stats.invite_chart.points_chart.data] == [0, 0, 100]
    assert [point.value for point in stats.invite_chart.rank_chart.data] == [7, 1]
    assert (stats.meta.pending, stats.meta.position) == (50, "member-m@7")


def test_past_statistics_take_the_rank_of_the_last_close() -> None:
    view = member(entry(100, MORNING - 3600))
    stats = invite_stats(view, closes((300, 1), (0, 41)), Period("24h", MORNING))
    assert (stats.rank, stats.total_rank, stats.rank_difference) == (2, 42, None)


@pytest.mark.slow
@given(entries, moments)
def test_differences_add_up_over_consecutive_periods(ledger: list[LedgerEntry], as_of: int) -> None:
    view = member(*ledger)
    period = Period("7d", as_of)
    days = [Period("24h", as_of - n * DAY) for n in range(7)]
    week = invite_stats(view, {}, period).points_difference
    assert week == sum(invite_stats(view, {}, day).points_difference for day in days)


@pytest.mark.parametrize("window", ["24h", "7d", "30d"])
def test_the_days_of_a_period_include_the_close_before_its_start(window: str) -> None:
    period = Period(window, MORNING)  # type: ignore[arg-type]
    assert {last_closed(period.start), last_closed(period.as_of)} <= set(period.days)
