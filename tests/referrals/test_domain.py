"""Accounts: opening, codes and credits."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.referral_code import from_entropy
from contracts.referrals import (
    AccountEvent,
    BoardEvent,
    BoardLevel,
    CloseDay,
    CodeBrought,
    CodeIssued,
    CodeRevoked,
    CreditReferred,
    CreditWithdrawn,
    DayClosed,
    IssueCode,
    OpenAccount,
    OpenCampaign,
    ReferralEvent,
    ReferredCredited,
    RevokeCode,
    RotateCode,
    WithdrawCredit,
)
from referrals.account.policies import Policies
from referrals.account.state import Campaign, Member
from referrals.domain import referrals_decider
from tests.contracts.samples import SAMPLES
from tests.referrals.examples import (
    ADMIN,
    ALICE,
    BOB,
    CODE,
    CONFIRMED,
    DAY,
    DECIDER,
    IDS,
    ISSUED,
    OPEN,
    OPENED,
    RESERVED,
    USE,
    later,
)
from tests.support.scenario import NOON, Scenario

account = Scenario(DECIDER)
claims = DECIDER.claims
EVENTS = [sample for sample in SAMPLES if isinstance(sample, AccountEvent | BoardEvent)]
OTHER = from_entropy(bytes(32))
FRESH = replace(NOON, entropy=bytes(32))


def test_opening_an_account_issues_its_code() -> None:
    account.when(OPEN).then(OPENED, ISSUED)


def test_the_code_that_a_person_joins_by_is_recorded() -> None:
    command = OPEN.model_copy(update={"referrer_id": BOB, "referral_code": CODE})
    brought = CodeBrought(
        member_id=ALICE,
        referrer_id=BOB,
        code=CODE,
        email="alice@example.com",
        brought_at=NOON.at,
    )
    account.when(command).then(OPENED, ISSUED, brought)


def test_an_account_can_be_opened_once() -> None:
    account.given(OPENED, ISSUED).when(OPEN).then_rejected("account_exists")


def test_a_member_id_cannot_look_like_a_campaign_id() -> None:
    account.when(OpenAccount(member_id="team:x", email="a@b.example")).then_rejected("invalid_sub")


def test_issuing_a_code_claims_it() -> None:
    assert claims(ISSUED) == (f"code#{CODE}",)
    assert claims(OPENED) == ()


def test_a_second_code_can_have_limits() -> None:
    command = IssueCode(member_id=ALICE, max_uses=2, expires_at=NOON.at + DAY)
    account.given(OPENED, ISSUED).at(FRESH).when(command).then(
        CodeIssued(
            member_id=ALICE, code=OTHER, issued_at=NOON.at, max_uses=2, expires_at=NOON.at + DAY
        )
    )


def test_a_code_cannot_expire_in_the_past() -> None:
    command = IssueCode(member_id=ALICE, expires_at=NOON.at)
    account.given(OPENED, ISSUED).when(command).then_rejected("invalid_expiry")


def test_a_member_can_choose_a_code_name() -> None:
    command = IssueCode(member_id=ALICE, kind="vanity", code="MOON", shown="MOON")
    assert command.code == "M00N"
    account.given(OPENED, ISSUED).when(command).then(
        CodeIssued(member_id=ALICE, code="M00N", issued_at=NOON.at, kind="vanity", shown="MOON")
    )


def test_a_taken_code_name_is_rejected() -> None:
    command = IssueCode(member_id=ALICE, kind="vanity", code="MOON", shown="MOON")
    taken = later(0, taken=("code#M00N",))
    account.given(OPENED, ISSUED).at(taken).when(command).then_rejected("code_taken")


def test_official_names_are_rejected_in_every_spelling() -> None:
    for name in ("ADMIN", "V0UCH", "0FFICIAL", "TEAM", "vouchers"):
        command = IssueCode(member_id=ALICE, kind="vanity", code=name, shown="NAME")
        account.given(OPENED, ISSUED).when(command).then_rejected("name_refused")


def test_the_moderation_policy_can_be_replaced() -> None:
    strict = Scenario(referrals_decider(Policies(ids=IDS, moderate=lambda _name: "Not today.")))
    command = IssueCode(member_id=ALICE, kind="vanity", code="MOON", shown="MOON")
    strict.given(OPENED, ISSUED).when(command).then_rejected("name_refused")


def test_rotating_a_code_replaces_it_in_one_step() -> None:
    command = RotateCode(member_id=ALICE, code=CODE)
    account.given(OPENED, ISSUED).at(FRESH).when(command).then(
        CodeIssued(member_id=ALICE, code=OTHER, issued_at=NOON.at),
        CodeRevoked(member_id=ALICE, code=CODE, revoked_at=NOON.at, replaced_by=OTHER),
    )


def test_a_revoked_code_stays_revoked() -> None:
    revoked = CodeRevoked(member_id=ALICE, code=CODE, revoked_at=NOON.at)
    given = account.given(OPENED, ISSUED, revoked)
    given.when(RevokeCode(member_id=ALICE, code=CODE)).then_nothing()
    given.when(RotateCode(member_id=ALICE, code=CODE)).then_rejected("code_revoked")


def test_the_code_of_another_account_is_not_found() -> None:
    for command in (
        RevokeCode(member_id=ALICE, code=OTHER),
        RotateCode(member_id=ALICE, code=OTHER),
    ):
        account.given(OPENED, ISSUED).when(command).then_rejected("not_found")


def test_an_account_has_at_most_twenty_active_codes() -> None:
    many = [
        CodeIssued(member_id=ALICE, code=from_entropy(bytes([n]) * 6), issued_at=NOON.at)
        for n in range(20)
    ]
    account.given(OPENED, *many).when(IssueCode(member_id=ALICE)).then_rejected("too_many_codes")


def test_an_account_has_at_most_two_hundred_codes_in_all() -> None:
    many: list[ReferralEvent] = []
    for n in range(1, 200):
        code = from_entropy(n.to_bytes(6, "big"))
        many.append(CodeIssued(member_id=ALICE, code=code, issued_at=NOON.at))
        many.append(CodeRevoked(member_id=ALICE, code=code, revoked_at=NOON.at))
    given = account.given(OPENED, ISSUED, *many)
    given.when(IssueCode(member_id=ALICE)).then_rejected("too_many_codes")
    given.when(RotateCode(member_id=ALICE, code=CODE)).then_rejected("too_many_codes")
    given.when(RevokeCode(member_id=ALICE, code=CODE)).then(
        CodeRevoked(member_id=ALICE, code=CODE, revoked_at=NOON.at)
    )


def test_a_campaign_has_a_chosen_code_that_expires() -> None:
    command = OpenCampaign(
        member_id="team:spring",
        code="SPRING26",
        shown="SPRING26",
        total_referrals=500,
        expires_at=NOON.at + DAY,
        by=ADMIN,
        reason="the fair in spring",
    )
    opened, issued = DECIDER.decide(DECIDER.initial, command, NOON)
    state = DECIDER.fold([opened, issued])
    assert isinstance(state, Campaign)
    assert state.total_referrals == 500
    assert state.can_use("SPR1NG26", NOON.at)
    assert not state.can_use("SPR1NG26", NOON.at + DAY)
    account.given(opened, issued).when(command).then_rejected("campaign_exists")
    wrong_id = command.model_copy(update={"member_id": ALICE})
    account.when(wrong_id).then_rejected("invalid_id")


def test_an_account_is_credited_once_even_before_it_is_opened() -> None:
    command = CreditReferred(member_id=BOB, referrer_id=ALICE, use_id=USE)
    credited = ReferredCredited(member_id=BOB, referrer_id=ALICE, use_id=USE, credited_at=NOON.at)
    account.when(command).then(credited)
    account.given(credited).when(command).then_nothing()
    withdraw = WithdrawCredit(member_id=BOB, use_id=USE)
    withdrawn = CreditWithdrawn(
        member_id=BOB, use_id=USE, credited_at=NOON.at, withdrawn_at=NOON.at
    )
    account.given(credited).when(withdraw).then(withdrawn)
    account.given(credited, withdrawn).when(withdraw).then_nothing()
    account.when(withdraw).then_nothing()


def test_a_confirmation_claims_the_person_and_the_address() -> None:
    assert claims(CONFIRMED) == (f"invited#{BOB}", f"address#{CONFIRMED.address_digest}")


@pytest.mark.slow
@given(st.lists(st.sampled_from(EVENTS)))
def test_every_sequence_of_events_can_be_folded(events: list[ReferralEvent]) -> None:
    DECIDER.fold(events)


def test_events_before_the_opening_change_nothing_but_the_credit() -> None:
    credited = ReferredCredited(member_id=ALICE, referrer_id=BOB, use_id=USE, credited_at=NOON.at)
    early = DECIDER.fold([ISSUED, RESERVED, CONFIRMED, credited])
    assert early == DECIDER.fold([credited])
    opened = DECIDER.fold([OPENED], early)
    assert isinstance(opened, Member)
    assert opened.credit is not None
    assert not opened.codes
    assert opened.seats_taken == 0


def test_a_board_day_is_closed_once() -> None:
    level = BoardLevel(points=100, members=2)
    close = CloseDay(board="all", day="2026-11-23", levels=(level,), first=())
    closed = DayClosed(
        board="all", day="2026-11-23", members=2, levels=(level,), first=(), closed_at=NOON.at
    )
    account.when(close).then(closed)
    account.given(closed).when(close).then_nothing()
