"""A seat from its reservation to whatever becomes of it."""

import pytest

from contracts.referrals import (
    ApproveReferral,
    GrantQuota,
    QuotaGranted,
    RedeemReferral,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralExpired,
    ReferralHeld,
    ReferralRejected,
    ReferralReleased,
    ReferralReversed,
    ReferredCredited,
    RejectReferral,
    ReleaseReferral,
    ReserveReferral,
    ReverseReferral,
    SettleReferrals,
    use_id,
)
from referrals.domain import MEMBERS
from tests.referrals.examples import (
    ADMIN,
    ALICE,
    BOB,
    CODE,
    CONFIRM,
    CONFIRMED,
    DAY,
    HELD,
    HOUR,
    ISSUED,
    MINUTE,
    OPENED,
    RESERVE,
    RESERVED,
    RING_FOUND,
    USE,
    later,
)
from tests.support.scenario import NOON, Scenario

member = Scenario(MEMBERS)
alice = member.given(OPENED, ISSUED)
with_bob = member.given(OPENED, ISSUED, RESERVED)
SETTLE = SettleReferrals(member_id=ALICE)
EXPIRED = ReferralExpired(member_id=ALICE, use_id=USE, expired_at=NOON.at + 30 * MINUTE)
RELEASED = ReferralReleased(member_id=ALICE, use_id=USE, released_at=NOON.at)
WHY = {"by": ADMIN, "reason": "looked at it"}


def test_a_seat_is_reserved_for_half_an_hour() -> None:
    alice.when(RESERVE).then(RESERVED)


def test_reserving_twice_is_the_same_success_however_the_address_is_spelt() -> None:
    with_bob.when(RESERVE).then_nothing()
    other = RESERVE.model_copy(update={"invited_user": "bob+news@example.com"})
    with_bob.when(other).then_nothing()


@pytest.mark.parametrize(
    "wish",
    [
        RESERVE.model_copy(update={"member_id": None}),
        RESERVE.model_copy(update={"code": "0" * 10}),
    ],
    ids=["nobody's", "another's"],
)
def test_every_code_that_is_none_is_refused_alike(wish: ReserveReferral) -> None:
    alice.when(wish).then_rejected("code_not_usable")


def test_a_spent_quota_is_refused_as_an_unknown_code_is() -> None:
    full = QuotaGranted(
        member_id=ALICE, total_referrals=1, by=ADMIN, reason="a test", granted_at=NOON.at
    )
    carol = ReserveReferral(member_id=ALICE, code=CODE, invited_user="carol@example.com")
    member.given(OPENED, ISSUED, full, RESERVED).when(carol).then_rejected("code_not_usable")


def test_an_expired_seat_is_free_before_anybody_says_so() -> None:
    full = QuotaGranted(
        member_id=ALICE, total_referrals=1, by=ADMIN, reason="a test", granted_at=NOON.at
    )
    carol = ReserveReferral(member_id=ALICE, code=CODE, invited_user="carol@example.com")
    late = later(30 * MINUTE)
    reserved = RESERVED.model_copy(
        update={
            "use_id": use_id(ALICE, CODE, "carol@example.com"),
            "invited_user": "carol@example.com",
            "reserved_at": late.at,
            "expires_at": late.at + 30 * MINUTE,
        }
    )
    scenario = member.given(OPENED, ISSUED, full, RESERVED).at(late)
    scenario.when(carol).then(EXPIRED, reserved)


def test_a_confirmed_seat_is_taken_and_stays_so() -> None:
    with_bob.when(CONFIRM).then(CONFIRMED)
    member.given(OPENED, ISSUED, RESERVED, CONFIRMED).when(CONFIRM).then_nothing()


def test_a_seat_is_taken_by_one_account() -> None:
    other = CONFIRM.model_copy(update={"invited_id": "mallory"})
    given = member.given(OPENED, ISSUED, RESERVED, CONFIRMED)
    given.when(other).then_rejected("seat_taken")


def test_a_seat_is_taken_by_whom_it_was_reserved_for() -> None:
    mallory = CONFIRM.model_copy(update={"invited_user": "mallory@example.com"})
    with_bob.when(mallory).then_rejected("not_found")
    bob = CONFIRM.model_copy(update={"invited_user": "Bob+x@example.com"})
    with_bob.when(bob).then(CONFIRMED)


def test_after_half_an_hour_it_is_too_late() -> None:
    with_bob.at(later(30 * MINUTE)).when(CONFIRM).then_rejected("reservation_ended")
    member.given(OPENED, ISSUED, RESERVED, EXPIRED).when(CONFIRM).then_rejected("reservation_ended")


def test_the_first_confirmed_referrer_wins() -> None:
    taken = later(0, taken=(f"invited#{BOB}",))
    with_bob.at(taken).when(CONFIRM).then(
        ReferralRejected(
            member_id=ALICE,
            use_id=USE,
            invited_id=BOB,
            reason="referred by somebody else before",
            assessment=CONFIRMED.assessment,
            rejected_at=NOON.at,
        )
    )


def test_one_person_takes_one_seat_of_a_referrer_whatever_the_address() -> None:
    second = ReserveReferral(member_id=ALICE, code=CODE, invited_user="bobby@example.com")
    again = RedeemReferral(
        member_id=ALICE, code=CODE, invited_user="bobby@example.com", invited_id=BOB
    )
    given = member.given(OPENED, ISSUED, RESERVED, CONFIRMED)
    events = MEMBERS.decide(MEMBERS.fold(given.history), again, NOON)
    assert [event.type for event in events] == ["ReferralReserved", "ReferralRejected"]
    assert second.use_id == again.use_id


def test_a_released_seat_can_be_reserved_again() -> None:
    with_bob.when(ReleaseReferral(member_id=ALICE, use_id=USE)).then(RELEASED)
    member.given(OPENED, ISSUED, RESERVED, RELEASED).when(RESERVE).then(RESERVED)


def test_what_is_confirmed_is_not_given_back() -> None:
    given = member.given(OPENED, ISSUED, RESERVED, CONFIRMED)
    given.when(ReleaseReferral(member_id=ALICE, use_id=USE)).then_rejected("not_reserved")


def test_oneself_is_nobody_to_refer() -> None:
    own = RESERVE.model_copy(update={"invited_user": "a.lice+x@example.com"})
    same = RedeemReferral(
        member_id=ALICE, code=CODE, invited_user="alice+me@example.com", invited_id="other-sub"
    )
    state = MEMBERS.fold([OPENED, ISSUED])
    rejected = MEMBERS.decide(state, same, NOON)[-1]
    assert isinstance(rejected, ReferralRejected)
    assert rejected.reason == "not eligible"
    assert rejected.assessment is not None
    assert [c.name for c in rejected.assessment.components] == ["same_address"]
    assert own.use_id != same.use_id  # elsewhere than at Gmail, dots tell people apart


def test_a_ring_is_held_and_then_approved_with_who_and_why() -> None:
    ring = ReferredCredited(member_id=ALICE, referrer_id=BOB, use_id="u", credited_at=NOON.at)
    member.given(OPENED, ISSUED, ring, RESERVED).when(CONFIRM).then(HELD)
    approved = CONFIRMED.model_copy(update={"assessment": None, **WHY})
    given = member.given(OPENED, ISSUED, RESERVED, HELD)
    given.when(ApproveReferral(member_id=ALICE, use_id=USE, **WHY)).then(approved)


def test_a_held_seat_is_turned_down_with_who_and_why() -> None:
    given = member.given(OPENED, ISSUED, RESERVED, HELD)
    given.when(RejectReferral(member_id=ALICE, use_id=USE, **WHY)).then(
        ReferralRejected(member_id=ALICE, use_id=USE, invited_id=BOB, rejected_at=NOON.at, **WHY)
    )
    with_bob.when(RejectReferral(member_id=ALICE, use_id=USE, **WHY)).then_rejected("not_held")


def test_who_was_turned_down_does_not_come_again() -> None:
    rejected = ReferralRejected(
        member_id=ALICE, use_id=USE, invited_id=BOB, rejected_at=NOON.at, **WHY
    )
    given = member.given(OPENED, ISSUED, RESERVED, HELD, rejected)
    given.when(RESERVE).then_rejected("code_not_usable")
    given.when(CONFIRM).then_nothing()


def test_a_throwaway_address_waits_for_three_days() -> None:
    wish = RedeemReferral(
        member_id=ALICE, code=CODE, invited_user="bob@mailinator.com", invited_id=BOB
    )
    reserved, delayed = MEMBERS.decide(MEMBERS.fold([OPENED, ISSUED]), wish, NOON)
    assert isinstance(delayed, ReferralDelayed)
    assert delayed.until == NOON.at + 72 * HOUR
    given = member.given(OPENED, ISSUED, reserved, delayed)
    given.at(later(72 * HOUR - 1)).when(SETTLE).then_nothing()
    (confirmed,) = MEMBERS.decide(MEMBERS.fold(given.history), SETTLE, later(72 * HOUR))
    assert isinstance(confirmed, ReferralConfirmed)
    lost = later(72 * HOUR, taken=(f"invited#{BOB}",))
    (rejected,) = MEMBERS.decide(MEMBERS.fold(given.history), SETTLE, lost)
    assert isinstance(rejected, ReferralRejected)


def test_a_confirmed_referral_can_be_reversed() -> None:
    given = member.given(OPENED, ISSUED, RESERVED, CONFIRMED).at(later(DAY))
    reversed_ = ReferralReversed(
        member_id=ALICE,
        use_id=USE,
        invited_id=BOB,
        confirmed_at=NOON.at,
        reversed_at=NOON.at + DAY,
        **WHY,
    )
    given.when(ReverseReferral(member_id=ALICE, use_id=USE, **WHY)).then(reversed_)
    again = member.given(OPENED, ISSUED, RESERVED, CONFIRMED, reversed_)
    again.when(RESERVE).then_rejected("code_not_usable")


def test_a_quota_is_not_cut_below_what_is_seated() -> None:
    wish = GrantQuota(member_id=ALICE, total_referrals=0, **WHY)
    with_bob.when(wish).then_rejected("quota_in_use")
    alice.when(wish).then(
        QuotaGranted(member_id=ALICE, total_referrals=0, granted_at=NOON.at, **WHY)
    )
    member.when(wish).then_rejected("no_account")


def test_a_verdict_names_its_rules_and_reasons() -> None:
    assert HELD.assessment == RING_FOUND
    assert isinstance(HELD, ReferralHeld)
