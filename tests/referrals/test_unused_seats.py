"""Anonymous callers can hold seats, and let a stream grow, only up to a limit per day."""

from dataclasses import replace

import pytest

from chassis.decide.decider import DecisionContext, Rejected
from contracts.referrals import (
    RESERVED_SECONDS,
    QuotaGranted,
    RedeemReferral,
    ReferralEvent,
    ReferralReserved,
    ReleaseReferral,
    ReserveReferral,
)
from referrals.account.reservation import MIN_LAPSES
from tests.referrals.examples import ADMIN, ALICE, CODE, DAY, DECIDER, IDS, ISSUED, OPENED
from tests.support.scenario import NOON


def reserve(name: str, *, verified: bool = False) -> ReserveReferral:
    return ReserveReferral(
        member_id=ALICE, code=CODE, invited_user=f"{name}@example.com", verified=verified
    )


def at(seconds: int) -> DecisionContext:
    return replace(NOON, at_ms=NOON.at_ms + seconds * 1000)


def hold_all_seats_for_a_day(seats: int) -> list[ReferralEvent]:
    """Let anonymous callers reserve every seat again as soon as it is free."""
    history: list[ReferralEvent] = [OPENED, ISSUED]
    if seats != OPENED.total_referrals:
        history.append(
            QuotaGranted(
                member_id=ALICE,
                total_referrals=seats,
                by=ADMIN,
                reason="a test",
                granted_at=NOON.at,
            )
        )
    for start in range(0, DAY, RESERVED_SECONDS):
        for number in range(seats + 1):
            command = reserve(f"x{start}.{number}")
            try:
                history += DECIDER.decide(DECIDER.fold(history), command, at(start))
            except Rejected:
                break
    return history


@pytest.mark.parametrize("seats", [1, 10, 50])
def test_anonymous_callers_can_take_a_bounded_number_of_seats_a_day(seats: int) -> None:
    history = hold_all_seats_for_a_day(seats)
    taken = sum(isinstance(event, ReferralReserved) for event in history)
    assert taken <= max(MIN_LAPSES, seats) + seats


def test_a_code_whose_seats_are_not_used_is_open_to_verified_callers_only() -> None:
    history = hold_all_seats_for_a_day(10)
    late = at(20 * 3_600)
    state = DECIDER.fold(history)
    with pytest.raises(Rejected) as rejected:
        DECIDER.decide(state, reserve("bob"), late)
    assert rejected.value.code == "too_many_unused"
    assert "try again after 2027-01-16 08:30 UTC" in rejected.value.detail
    redeem = RedeemReferral(
        member_id=ALICE, code=CODE, invited_user="bob@example.com", invited_id="bob"
    )
    for command in (reserve("bob", verified=True), redeem):
        events = DECIDER.decide(state, command, late)
        assert any(isinstance(event, ReferralReserved) for event in events)


def test_anonymous_callers_can_reserve_again_a_day_later() -> None:
    history = hold_all_seats_for_a_day(10)
    assert DECIDER.decide(DECIDER.fold(history), reserve("bob"), at(2 * DAY))


def test_a_seat_that_a_program_gives_back_does_not_count_as_unused() -> None:
    history: list[ReferralEvent] = [OPENED, ISSUED]
    for _ in range(MIN_LAPSES + 1):
        command = reserve("bob")
        release = ReleaseReferral(member_id=ALICE, use_id=IDS.use_id(ALICE, command.invited_user))
        for each in (command, release):
            history += DECIDER.decide(DECIDER.fold(history), each, NOON)
    assert DECIDER.decide(DECIDER.fold(history), reserve("bob"), NOON)
