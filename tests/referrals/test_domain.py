from dataclasses import replace

from contracts.referral_code import from_entropy
from contracts.referrals import (
    CodeBrought,
    CodeIssued,
    CodeRevoked,
    CreditReferred,
    CreditWithdrawn,
    IssueCode,
    OpenAccount,
    OpenCampaign,
    ReferredCredited,
    RevokeCode,
    RotateCode,
    WithdrawCredit,
)
from referrals.domain import MEMBERS, claims, members
from tests.referrals.examples import (
    ADMIN,
    ALICE,
    BOB,
    CODE,
    CONFIRMED,
    DAY,
    ISSUED,
    OPEN,
    OPENED,
    USE,
    later,
)
from tests.support.scenario import NOON, Scenario

member = Scenario(MEMBERS)
OTHER = from_entropy(bytes(32))
FRESH = replace(NOON, entropy=bytes(32))


def test_opening_an_account_issues_its_code() -> None:
    member.when(OPEN).then(OPENED, ISSUED)


def test_a_code_that_was_brought_along_is_noted() -> None:
    wish = OPEN.model_copy(update={"referrer_id": BOB, "referral_code": CODE})
    brought = CodeBrought(
        member_id=ALICE,
        referrer_id=BOB,
        code=CODE,
        email="alice@example.com",
        brought_at=NOON.at,
    )
    member.when(wish).then(OPENED, ISSUED, brought)


def test_an_account_is_opened_once() -> None:
    member.given(OPENED, ISSUED).when(OPEN).then_rejected("account_exists")


def test_no_person_is_called_like_a_campaign() -> None:
    member.when(OpenAccount(member_id="team:x", email="a@b.example")).then_rejected("invalid_sub")


def test_a_code_is_claimed_for_its_member_alone() -> None:
    assert claims(ISSUED) == (f"code#{CODE}",)
    assert claims(OPENED) == ()


def test_a_second_code_has_limits_of_its_own() -> None:
    wish = IssueCode(member_id=ALICE, max_uses=2, expires_at=NOON.at + DAY)
    member.given(OPENED, ISSUED).at(FRESH).when(wish).then(
        CodeIssued(
            member_id=ALICE, code=OTHER, issued_at=NOON.at, max_uses=2, expires_at=NOON.at + DAY
        )
    )


def test_a_code_does_not_end_before_it_begins() -> None:
    wish = IssueCode(member_id=ALICE, expires_at=NOON.at)
    member.given(OPENED, ISSUED).when(wish).then_rejected("invalid_expiry")


def test_a_name_may_be_chosen() -> None:
    wish = IssueCode(member_id=ALICE, kind="vanity", code="MOON", shown="MOON")
    assert wish.code == "M00N"
    member.given(OPENED, ISSUED).when(wish).then(
        CodeIssued(member_id=ALICE, code="M00N", issued_at=NOON.at, kind="vanity", shown="MOON")
    )


def test_a_name_that_somebody_has_is_told() -> None:
    wish = IssueCode(member_id=ALICE, kind="vanity", code="MOON", shown="MOON")
    taken = later(0, taken=("code#M00N",))
    member.given(OPENED, ISSUED).at(taken).when(wish).then_rejected("code_taken")


def test_names_of_ours_cannot_be_chosen_however_they_are_spelt() -> None:
    for name in ("ADMIN", "V0UCH", "0FFICIAL", "TEAM", "vouchers"):
        wish = IssueCode(member_id=ALICE, kind="vanity", code=name, shown="NAME")
        member.given(OPENED, ISSUED).when(wish).then_rejected("name_refused")


def test_moderation_is_a_hook() -> None:
    strict = Scenario(members(moderation=lambda name: "no names today" if name else None))
    wish = IssueCode(member_id=ALICE, kind="vanity", code="MOON", shown="MOON")
    strict.given(OPENED, ISSUED).when(wish).then_rejected("name_refused")


def test_a_rotated_code_is_replaced_in_one_step() -> None:
    wish = RotateCode(member_id=ALICE, code=CODE)
    member.given(OPENED, ISSUED).at(FRESH).when(wish).then(
        CodeIssued(member_id=ALICE, code=OTHER, issued_at=NOON.at),
        CodeRevoked(member_id=ALICE, code=CODE, revoked_at=NOON.at, replaced_by=OTHER),
    )


def test_a_revoked_code_stays_revoked() -> None:
    revoked = CodeRevoked(member_id=ALICE, code=CODE, revoked_at=NOON.at)
    given = member.given(OPENED, ISSUED, revoked)
    given.when(RevokeCode(member_id=ALICE, code=CODE)).then_nothing()
    given.when(RotateCode(member_id=ALICE, code=CODE)).then_rejected("code_revoked")


def test_anothers_code_is_not_there() -> None:
    for wish in (RevokeCode(member_id=ALICE, code=OTHER), RotateCode(member_id=ALICE, code=OTHER)):
        member.given(OPENED, ISSUED).when(wish).then_rejected("not_found")


def test_a_member_has_twenty_codes_at_most() -> None:
    many = [
        CodeIssued(member_id=ALICE, code=from_entropy(bytes([n]) * 6), issued_at=NOON.at)
        for n in range(20)
    ]
    member.given(OPENED, *many).when(IssueCode(member_id=ALICE)).then_rejected("too_many_codes")


def test_a_campaign_is_an_account_of_the_team() -> None:
    wish = OpenCampaign(
        member_id="team:spring",
        code="SPRING26",
        shown="SPRING26",
        total_referrals=500,
        expires_at=NOON.at + DAY,
        by=ADMIN,
        reason="the fair in spring",
    )
    opened, issued = MEMBERS.decide(MEMBERS.initial, wish, NOON)
    state = MEMBERS.fold([opened, issued])
    assert (state.team, state.total, state.email) == (True, 500, None)
    assert state.usable("SPR1NG26", NOON.at)
    assert not state.usable("SPR1NG26", NOON.at + DAY)
    member.given(opened, issued).when(wish).then_rejected("campaign_exists")
    strange = wish.model_copy(update={"member_id": ALICE})
    member.when(strange).then_rejected("invalid_id")


def test_a_member_is_credited_once_also_before_its_account_is_open() -> None:
    wish = CreditReferred(member_id=BOB, referrer_id=ALICE, use_id=USE)
    credited = ReferredCredited(member_id=BOB, referrer_id=ALICE, use_id=USE, credited_at=NOON.at)
    member.when(wish).then(credited)
    member.given(credited).when(wish).then_nothing()
    withdraw = WithdrawCredit(member_id=BOB, use_id=USE)
    withdrawn = CreditWithdrawn(
        member_id=BOB, use_id=USE, credited_at=NOON.at, withdrawn_at=NOON.at
    )
    member.given(credited).when(withdraw).then(withdrawn)
    member.given(credited, withdrawn).when(withdraw).then_nothing()
    member.when(withdraw).then_nothing()


def test_a_confirmation_claims_the_person_and_the_address() -> None:
    assert claims(CONFIRMED) == (f"invited#{BOB}", f"address#{CONFIRMED.address_digest}")
