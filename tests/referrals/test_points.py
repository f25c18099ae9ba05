"""Points with their causes, and the order of members on the leaderboards."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from chassis.views.projection import ListState
from contracts.points import NumberedEntry, PointsView, StandingView
from contracts.referrals import (
    MAX_TOTAL_REFERRALS,
    CampaignOpened,
    CreditWithdrawn,
    ReferralDelayed,
    ReferralEvent,
    ReferralRejected,
    ReferralReversed,
    ReferredCredited,
)
from referrals import points
from referrals.points import PointRules
from referrals.projections import fold_leaderboard, fold_ledger
from referrals.views.leaderboard import score, scores
from referrals.views.ledger import State, touched
from tests.referrals.examples import (
    ALICE,
    BOB,
    CONFIRMED,
    DAY,
    HELD,
    ISSUED,
    OPENED,
    RESERVED,
    USE,
)
from tests.support.scenario import NOON

V = TypeVar("V")
REVERSED = ReferralReversed(
    member_id=ALICE,
    use_id=USE,
    invited_id=BOB,
    by="root",
    reason="a mistake",
    confirmed_at=NOON.at,
    reversed_at=NOON.at + DAY,
)
DELAYED = ReferralDelayed(
    member_id=ALICE,
    use_id=USE,
    invited_id=BOB,
    assessment=HELD.assessment,
    delayed_at=NOON.at,
    until=NOON.at + DAY,
)
CREDITED = ReferredCredited(member_id=ALICE, referrer_id=BOB, use_id="u", credited_at=NOON.at)


def folded(fold: Callable[[V | None, ReferralEvent], V | None], *events: ReferralEvent) -> V:
    view = None
    for event in events:
        view = fold(view, event)
    assert view is not None
    return view


def ledger(*events: ReferralEvent) -> PointsView:
    return ledger_after(OPENED, ISSUED, RESERVED, *events)


def ledger_after(*events: ReferralEvent) -> PointsView:
    """Return the ledger with its entries, as the read model stores them one by one."""
    state: State = ListState(None, {})
    entries: dict[str, NumberedEntry] = {}
    for event in events:
        stored = {key: entries[key] for key in touched(event) if key in entries}
        state = fold_ledger(state._replace(items=stored), event)
        entries |= state.items
    assert state.summary is not None
    return state.summary.model_copy(update={"entries": tuple(entries.values())})


def ranked(*events: ReferralEvent) -> StandingView:
    return folded(fold_leaderboard, OPENED, ISSUED, RESERVED, *events)


def test_a_reservation_earns_nothing() -> None:
    assert (ledger().points, ledger().pending, ledger().entries) == (0, 0, ())


def test_a_confirmed_referral_earns_100_points_with_its_cause() -> None:
    view = ledger(CONFIRMED)
    (entry,) = view.entries
    assert (view.points, view.invited) == (100, 1)
    assert (entry.delta, entry.state, entry.cause) == (100, "confirmed", f"member-{ALICE}@4")


def test_points_of_a_held_referral_are_pending_and_do_not_rank() -> None:
    assert (ledger(HELD).points, ledger(HELD).pending) == (0, 100)
    assert ranked(HELD).points == 0
    view = ledger(HELD, CONFIRMED)
    assert (view.points, view.pending, len(view.entries)) == (100, 0, 1)


def test_points_of_a_rejected_referral_are_void() -> None:
    rejected = ReferralRejected(
        member_id=ALICE, use_id=USE, invited_id=BOB, reason="not good", rejected_at=NOON.at
    )
    view = ledger(HELD, rejected)
    assert (view.points, view.pending, view.entries[0].state) == (0, 0, "void")


def test_a_reversal_adds_a_negative_entry() -> None:
    view = ledger(CONFIRMED, REVERSED)
    assert [entry.delta for entry in view.entries] == [100, -100]
    assert (view.points, view.invited) == (0, 0)
    assert ranked(CONFIRMED, REVERSED).points == 0


def test_a_referred_member_earns_10_points() -> None:
    assert ledger(CREDITED).points == ranked(CREDITED).points == 10
    withdrawn = CreditWithdrawn(
        member_id=ALICE, use_id="u", credited_at=NOON.at, withdrawn_at=NOON.at
    )
    assert ledger(CREDITED, withdrawn).points == 0


def test_a_credit_can_arrive_before_the_account_is_opened() -> None:
    view = ledger_after(CREDITED, OPENED, ISSUED)
    assert (view.points, view.version, view.since) == (10, 3, NOON.at)
    early = folded(fold_leaderboard, CREDITED)
    assert scores(early)["all"] is None
    late = folded(fold_leaderboard, CREDITED, OPENED)
    assert int(scores(late)["all"] or 0) == 10


def test_a_campaign_earns_nothing() -> None:
    team = CONFIRMED.model_copy(update={"team": True})
    assert ledger(team).points == ranked(team).points == 0


CAMPAIGN = "team:spring"


def of_campaign(*events: ReferralEvent) -> list[ReferralEvent]:
    return [event.model_copy(update={"member_id": CAMPAIGN}) for event in events]


@pytest.mark.parametrize("team", [True, False], ids=["new", "old"])
def test_a_reversed_referral_of_a_campaign_takes_no_points(*, team: bool) -> None:
    opened = CampaignOpened(
        member_id=CAMPAIGN, total_referrals=9, opened_at=NOON.at, by="root", reason="spring"
    )
    confirmed = CONFIRMED.model_copy(update={"team": True})
    reversed_ = REVERSED.model_copy(update={"team": team})
    events = [opened, *of_campaign(RESERVED, confirmed, reversed_)]
    view = ledger_after(*events)
    assert (view.points, view.invited, view.entries, view.version) == (0, 0, (), 4)
    state = None
    for event in events:
        state = fold_leaderboard(state, event)
    assert state is None


def test_a_delayed_referral_of_a_campaign_is_not_pending() -> None:
    for end in (CONFIRMED.model_copy(update={"team": True, "assessment": None}), REVERSED):
        view = ledger_after(*of_campaign(RESERVED, DELAYED, end))
        assert (view.points, view.pending, view.entries) == (0, 0, ())


def test_points_that_are_held_after_a_delay_are_pending_once() -> None:
    view = ledger(DELAYED, HELD)
    (entry,) = view.entries
    assert (view.pending, entry.state, entry.cause) == (100, "pending", f"member-{ALICE}@5")
    view = ledger(DELAYED, HELD, CONFIRMED)
    assert (view.points, view.pending, len(view.entries)) == (100, 0, 1)


def test_of_members_with_equal_points_the_first_to_reach_them_ranks_first() -> None:
    assert score(100, NOON.at) > score(100, NOON.at + 1) > 100
    assert int(score(100, NOON.at)) == 100
    most = MAX_TOTAL_REFERRALS * 100
    assert score(most, NOON.at) > score(most, NOON.at + 1) > most


def test_new_rules_apply_from_their_start_time(monkeypatch: pytest.MonkeyPatch) -> None:
    later = PointRules(version=2, since=NOON.at + DAY, inviter=500, invited=50)
    monkeypatch.setattr(points, "RULES", (*points.RULES, later))
    late = CONFIRMED.model_copy(update={"confirmed_at": NOON.at + DAY})
    assert ledger(CONFIRMED).points == 100
    assert ledger(late).points == 500
    assert ledger(late).entries[0].rules_version == 2
    assert ledger(CONFIRMED, REVERSED).points == 0  # taken back by the rules it was earned under
