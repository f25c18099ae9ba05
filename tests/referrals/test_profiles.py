"""Members choose what others see of them on the leaderboards."""

import pytest
from pydantic import ValidationError

from chassis.views.projection import ListState
from contracts.points import ANONYMOUS, StandingView
from contracts.referrals import (
    CampaignOpened,
    ClearDisplayName,
    NumberedReferral,
    ProfileSet,
    ReferralEvent,
    ReferredCredited,
    SetProfile,
    StoredAccount,
)
from referrals.projections import fold_entry, fold_leaderboard
from referrals.tally import row_of
from referrals.views.leaderboard import scores
from tests.referrals.examples import ALICE, BOB, CONFIRMED, DECIDER, ISSUED, OPENED, RESERVED
from tests.support.scenario import NOON, Scenario

account = Scenario(DECIDER)
MASKED = "a***@e***.com"
NAME = SetProfile(member_id=ALICE, display_name="Alice", on_boards=True)
NAMED = ProfileSet(member_id=ALICE, display_name="Alice", on_boards=True, set_at=NOON.at)
CLEAR = SetProfile(member_id=ALICE)
CLEARED = ProfileSet(member_id=ALICE, set_at=NOON.at)
HIDE = SetProfile(member_id=ALICE, display_name="Alice", on_boards=False)
HIDDEN = ProfileSet(member_id=ALICE, display_name="Alice", on_boards=False, set_at=NOON.at)


def test_a_member_chooses_a_name() -> None:
    account.given(OPENED, ISSUED).when(NAME).then(NAMED)


def test_a_member_clears_the_name() -> None:
    account.given(OPENED, ISSUED, NAMED).when(CLEAR).then(CLEARED)


def test_a_member_hides_and_appears_again() -> None:
    account.given(OPENED, ISSUED, NAMED).when(HIDE).then(HIDDEN)
    account.given(OPENED, ISSUED, NAMED, HIDDEN).when(NAME).then(NAMED)


def test_setting_the_same_profile_again_changes_nothing() -> None:
    account.given(OPENED, ISSUED).when(CLEAR).then_nothing()
    account.given(OPENED, ISSUED, HIDDEN).when(HIDE).then_nothing()


def test_a_profile_needs_an_account() -> None:
    account.when(NAME).then_rejected("no_account")


def test_a_campaign_has_no_profile() -> None:
    team = "team:spring"
    opened = CampaignOpened(
        member_id=team, total_referrals=5, opened_at=NOON.at, by="root", reason="a test"
    )
    command = NAME.model_copy(update={"member_id": team})
    account.given(opened).when(command).then_rejected("no_account")


def test_an_administrator_clears_a_name_and_leaves_the_visibility() -> None:
    why = {"by": "root", "reason": "it insults people"}
    command = ClearDisplayName(member_id=ALICE, **why)
    account.given(OPENED, ISSUED, NAMED).when(command).then(CLEARED.model_copy(update=why))
    hidden = CLEARED.model_copy(update=why | {"on_boards": False})
    account.given(OPENED, ISSUED, NAMED, HIDDEN).when(command).then(hidden)
    account.given(OPENED, ISSUED).when(command).then_nothing()
    account.when(command).then_rejected("no_account")


def test_several_members_may_have_the_same_name() -> None:
    assert DECIDER.claims(NAMED) == ()


def test_a_command_normalises_the_name_and_an_event_stays_readable() -> None:
    assert SetProfile(member_id=ALICE, display_name=" Zoe\u0308 ").display_name == "Zoë"
    with pytest.raises(ValidationError):
        SetProfile(member_id=ALICE, display_name="a@b")
    assert ProfileSet(member_id=ALICE, display_name="a@b", set_at=1).display_name == "a@b"


def ranked(*events: ReferralEvent) -> StandingView:
    view = None
    for event in (OPENED, ISSUED, RESERVED, CONFIRMED, *events):
        view = fold_leaderboard(view, event)
    assert view is not None
    return view


def test_others_see_the_masked_address_until_a_name_is_chosen() -> None:
    assert (ranked().display_name, ranked().own_name) == (MASKED, MASKED)
    assert ranked(NAMED).display_name == "Alice"
    assert ranked(NAMED, CLEARED).display_name == MASKED


def test_others_see_no_name_of_a_hidden_member_who_still_sees_it() -> None:
    view = ranked(NAMED, HIDDEN)
    assert (view.display_name, view.own_name, view.on_boards) == (ANONYMOUS, "Alice", False)
    assert ranked(NAMED, HIDDEN, NAMED).display_name == "Alice"


def test_a_profile_changes_neither_points_nor_rank() -> None:
    assert scores(ranked(NAMED, HIDDEN)) == scores(ranked())


def test_a_credit_before_the_opening_keeps_the_member_off_the_boards() -> None:
    credited = ReferredCredited(member_id=ALICE, referrer_id=BOB, use_id="u", credited_at=NOON.at)
    early = fold_leaderboard(fold_leaderboard(None, credited), NAMED)
    assert early is not None
    assert scores(early)["all"] is None


def test_a_view_of_an_older_version_shows_its_masked_address() -> None:
    old = StandingView.model_validate({"memberId": ALICE, "displayName": MASKED})
    assert (old.display_name, old.own_name, old.address_shown) == (MASKED, MASKED, MASKED)


def test_a_closed_day_stores_no_chosen_name_and_nothing_of_hidden_members() -> None:
    assert closed(ranked(NAMED)) == MASKED
    assert closed(ranked(NAMED, HIDDEN)) == ""


def closed(view: StandingView) -> str:
    row = row_of(view, "all")
    assert row is not None
    return row[2]


def entry(*events: ReferralEvent) -> StoredAccount:
    state: ListState[StoredAccount, NumberedReferral] = ListState(None, {})
    for event in (OPENED, ISSUED, *events):
        state = fold_entry(state, event)
    assert state.summary is not None
    return state.summary


def test_the_account_shows_the_profile_once_it_is_set() -> None:
    assert (entry(HIDDEN).display_name, entry(HIDDEN).on_boards) == ("Alice", False)
    assert {"displayName", "onBoards"} <= entry(HIDDEN).model_dump().keys()
    assert entry(NAMED, CLEARED).model_dump_json() == entry().model_dump_json()
    assert b"displayName" not in entry().model_dump_json().encode()
