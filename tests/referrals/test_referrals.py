"""Referrals: from the reservation of a seat to the verdict and its review."""

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
)
from tests.referrals.examples import (
    ADMIN,
    ALICE,
    BOB,
    CODE,
    CONFIRM,
    CONFIRMED,
    DAY,
    DECIDER,
    HELD,
    HOUR,
    IDS,
    ISSUED,
    MINUTE,
    OPENED,
    RESERVE,
    RESERVE_KNOWN,
    RESERVED,
    RING_FOUND,
    USE,
    later,
)
from tests.support.scenario import NOON, Scenario

account = Scenario(DECIDER)
alice = account.given(OPENED, ISSUED)
with_bob = account.given(OPENED, ISSUED, RESERVED)
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
    "command",
    [
        RESERVE.model_copy(update={"member_id": None}),
        RESERVE.model_copy(update={"code": "0" * 10}),
    ],
    ids=["unknown code", "code of another account"],
)
def test_all_unusable_codes_are_rejected_alike(command: ReserveReferral) -> None:
    alice.when(command).then_rejected("code_not_usable")


def test_a_code_without_seats_left_is_rejected_like_an_unknown_one() -> None:
    full = QuotaGranted(
        member_id=ALICE, total_referrals=1, by=ADMIN, reason="a test", granted_at=NOON.at
    )
    carol = ReserveReferral(member_id=ALICE, code=CODE, invited_user="carol@example.com")
    account.given(OPENED, ISSUED, full, RESERVED).when(carol).then_rejected("code_not_usable")


def test_an_expired_seat_is_free_at_the_next_command() -> None:
    full = QuotaGranted(
        member_id=ALICE, total_referrals=1, by=ADMIN, reason="a test", granted_at=NOON.at
    )
    carol = ReserveReferral(member_id=ALICE, code=CODE, invited_user="carol@example.com")
    late = later(30 * MINUTE)
    reserved = RESERVED.model_copy(
        update={
            "use_id": IDS.use_id(ALICE, "carol@example.com"),
            "invited_user": "carol@example.com",
            "reserved_at": late.at,
            "expires_at": late.at + 30 * MINUTE,
        }
    )
    scenario = account.given(OPENED, ISSUED, full, RESERVED).at(late)
    scenario.when(carol).then(EXPIRED, reserved)


def test_confirming_twice_is_the_same_success() -> None:
    with_bob.when(CONFIRM).then(CONFIRMED)
    account.given(OPENED, ISSUED, RESERVED, CONFIRMED).when(CONFIRM).then_nothing()


def test_another_account_cannot_confirm_the_same_referral() -> None:
    other = CONFIRM.model_copy(update={"invited_id": "mallory"})
    given = account.given(OPENED, ISSUED, RESERVED, CONFIRMED)
    given.when(other).then_rejected("seat_taken")


def test_only_the_invited_address_can_confirm() -> None:
    mallory = CONFIRM.model_copy(update={"invited_user": "mallory@example.com"})
    with_bob.when(mallory).then_rejected("not_found")
    bob = CONFIRM.model_copy(update={"invited_user": "Bob+x@example.com"})
    with_bob.when(bob).then(CONFIRMED)


def test_a_reservation_ends_after_half_an_hour() -> None:
    with_bob.at(later(30 * MINUTE)).when(CONFIRM).then_rejected("reservation_ended")
    account.given(OPENED, ISSUED, RESERVED, EXPIRED).when(CONFIRM).then_rejected(
        "reservation_ended"
    )


def test_the_first_referrer_to_be_confirmed_wins() -> None:
    taken = later(0, taken=(f"invited#{BOB}",))
    with_bob.at(taken).when(CONFIRM).then(
        ReferralRejected(
            member_id=ALICE,
            use_id=USE,
            invited_id=BOB,
            reason="already referred by another member",
            assessment=CONFIRMED.assessment,
            rejected_at=NOON.at,
        )
    )


def test_a_person_is_referred_once_by_a_referrer_whatever_the_address() -> None:
    again = RedeemReferral(
        member_id=ALICE, code=CODE, invited_user="bobby@example.com", invited_id=BOB
    )
    given = account.given(OPENED, ISSUED, RESERVED, CONFIRMED)
    events = DECIDER.decide(DECIDER.fold(given.history), again, NOON)
    assert [event.type for event in events] == ["ReferralReserved", "ReferralRejected"]


def test_a_released_seat_can_be_reserved_again() -> None:
    with_bob.when(ReleaseReferral(member_id=ALICE, use_id=USE)).then(RELEASED)
    account.given(OPENED, ISSUED, RESERVED, RELEASED).when(RESERVE).then(RESERVED)


def test_a_confirmed_referral_cannot_be_released() -> None:
    given = account.given(OPENED, ISSUED, RESERVED, CONFIRMED)
    given.when(ReleaseReferral(member_id=ALICE, use_id=USE)).then_rejected("not_reserved")


def test_members_cannot_refer_themselves() -> None:
    same = RedeemReferral(
        member_id=ALICE, code=CODE, invited_user="alice+me@example.com", invited_id="other-sub"
    )
    state = DECIDER.fold([OPENED, ISSUED])
    rejected = DECIDER.decide(state, same, NOON)[-1]
    assert isinstance(rejected, ReferralRejected)
    assert rejected.reason == "not eligible"
    assert rejected.assessment is not None
    assert [c.name for c in rejected.assessment.components] == ["same_address"]
    # dots in an address are significant outside Gmail
    own = DECIDER.decide(
        state, same.model_copy(update={"invited_user": "a.lice+x@example.com"}), NOON
    )[-1]
    assert isinstance(own, ReferralConfirmed)


def test_a_ring_is_held_and_approved_with_an_actor_and_a_reason() -> None:
    ring = ReferredCredited(member_id=ALICE, referrer_id=BOB, use_id="u", credited_at=NOON.at)
    account.given(OPENED, ISSUED, ring, RESERVED).when(CONFIRM).then(HELD)
    approved = CONFIRMED.model_copy(update={"assessment": None, **WHY})
    given = account.given(OPENED, ISSUED, RESERVED, HELD)
    given.when(ApproveReferral(member_id=ALICE, use_id=USE, **WHY)).then(approved)


def test_a_held_referral_is_rejected_with_an_actor_and_a_reason() -> None:
    given = account.given(OPENED, ISSUED, RESERVED, HELD)
    given.when(RejectReferral(member_id=ALICE, use_id=USE, **WHY)).then(
        ReferralRejected(member_id=ALICE, use_id=USE, invited_id=BOB, rejected_at=NOON.at, **WHY)
    )
    with_bob.when(RejectReferral(member_id=ALICE, use_id=USE, **WHY)).then_rejected("not_held")


def test_a_rejected_person_cannot_be_referred_again() -> None:
    rejected = ReferralRejected(
        member_id=ALICE, use_id=USE, invited_id=BOB, rejected_at=NOON.at, **WHY
    )
    given = account.given(OPENED, ISSUED, RESERVED, HELD, rejected)
    given.when(RESERVE_KNOWN).then_rejected("code_not_usable")
    given.when(RESERVE).then_nothing()  # a stranger learns nothing
    given.when(CONFIRM).then_nothing()


def test_a_disposable_address_is_confirmed_after_three_days() -> None:
    command = RedeemReferral(
        member_id=ALICE, code=CODE, invited_user="bob@mailinator.com", invited_id=BOB
    )
    reserved, delayed = DECIDER.decide(DECIDER.fold([OPENED, ISSUED]), command, NOON)
    assert isinstance(delayed, ReferralDelayed)
    assert delayed.until == NOON.at + 72 * HOUR
    given = account.given(OPENED, ISSUED, reserved, delayed)
    given.at(later(72 * HOUR - 1)).when(SETTLE).then_nothing()
    (confirmed,) = DECIDER.decide(DECIDER.fold(given.history), SETTLE, later(72 * HOUR))
    assert isinstance(confirmed, ReferralConfirmed)
    lost = later(72 * HOUR, taken=(f"invited#{BOB}",))
    (rejected,) = DECIDER.decide(DECIDER.fold(given.history), SETTLE, lost)
    assert isinstance(rejected, ReferralRejected)


def test_a_confirmed_referral_can_be_reversed() -> None:
    given = account.given(OPENED, ISSUED, RESERVED, CONFIRMED).at(later(DAY))
    reversed_ = ReferralReversed(
        member_id=ALICE,
        use_id=USE,
        invited_id=BOB,
        confirmed_at=NOON.at,
        reversed_at=NOON.at + DAY,
        **WHY,
    )
    given.when(ReverseReferral(member_id=ALICE, use_id=USE, **WHY)).then(reversed_)
    again = account.given(OPENED, ISSUED, RESERVED, CONFIRMED, reversed_)
    again.when(RESERVE_KNOWN).then_rejected("code_not_usable")
    again.when(RESERVE).then_nothing()  # a stranger learns nothing


def test_a_quota_cannot_fall_below_the_seats_taken() -> None:
    command = GrantQuota(member_id=ALICE, total_referrals=0, **WHY)
    with_bob.when(command).then_rejected("quota_in_use")
    alice.when(command).then(
        QuotaGranted(member_id=ALICE, total_referrals=0, granted_at=NOON.at, **WHY)
    )
    account.when(command).then_rejected("no_account")


def test_a_verdict_names_its_rules_and_reasons() -> None:
    assert HELD.assessment == RING_FOUND
    assert isinstance(HELD, ReferralHeld)


@pytest.mark.parametrize("person", [ALICE, BOB], ids=["the referrer", "the invited person"])
@pytest.mark.parametrize("decide", [ApproveReferral, RejectReferral, ReverseReferral])
def test_administrators_cannot_decide_on_their_own_referrals(
    person: str, decide: type[ApproveReferral | RejectReferral | ReverseReferral]
) -> None:
    command = decide(member_id=ALICE, use_id=USE, by=person, reason="it is mine")
    for event in (HELD, CONFIRMED):
        given = account.given(OPENED, ISSUED, RESERVED, event)
        given.when(command).then_rejected("second_person_required")


def test_administrators_cannot_change_their_own_quota() -> None:
    given = account.given(OPENED, ISSUED)
    for total in (5, 2_000):
        own = GrantQuota(member_id=ALICE, total_referrals=total, by=ALICE, reason="more for me")
        given.when(own).then_rejected("second_person_required")
