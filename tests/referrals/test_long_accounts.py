"""An account with thousands of past referrals has a small state, and still answers correctly."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.referrals import (
    ApproveReferral,
    ConfirmReferral,
    QuotaGranted,
    RedeemReferral,
    ReferralConfirmed,
    ReferralEvent,
    ReferralExpired,
    ReferralRejected,
    ReferralReserved,
    ReferralReversed,
    RejectReferral,
    ReleaseReferral,
    ReserveReferral,
    ReverseReferral,
)
from referrals.account.referrals import REMEMBERED_ENDINGS, REMEMBERED_REFUSALS, REVERSIBLE
from referrals.account.state import Member
from referrals.domain import STORED_STATE
from tests.referrals.examples import ADMIN, ALICE, CODE, DAY, DECIDER, IDS, ISSUED, OPENED, later
from tests.support.scenario import NOON, Scenario

WHY = {"by": ADMIN, "reason": "a test"}
SEATS = 2_000
GRANTED = QuotaGranted(
    member_id=ALICE, total_referrals=SEATS, by=ADMIN, reason="a test", granted_at=NOON.at
)
account = Scenario(DECIDER).at(later(9 * DAY))


def address(name: str) -> str:
    return f"{name}.of.a.long.list@mail.example.com"


def person(name: str) -> str:
    return f"8a1c2f34-0b7e-4c55-9a53-{name:>12}".replace(" ", "0")


def use(name: str) -> str:
    return IDS.use_id(ALICE, address(name))


def reserved(name: str, *, expires_at: int = NOON.at + 9) -> ReferralReserved:
    return ReferralReserved(
        member_id=ALICE,
        use_id=use(name),
        code=CODE,
        invited_user=address(name),
        network="2001:db8::1",
        reserved_at=NOON.at,
        expires_at=expires_at,
    )


def expired(name: str) -> Iterator[ReferralEvent]:
    yield reserved(name)
    yield ReferralExpired(member_id=ALICE, use_id=use(name), expired_at=NOON.at + 9)


def confirmed(name: str) -> Iterator[ReferralEvent]:
    yield reserved(name)
    yield ReferralConfirmed(
        member_id=ALICE,
        use_id=use(name),
        invited_id=person(name),
        address_digest=IDS.address_digest(address(name)),
        confirmed_at=NOON.at,
    )


def rejected(name: str) -> Iterator[ReferralEvent]:
    yield reserved(name)
    yield ReferralRejected(
        member_id=ALICE, use_id=use(name), invited_id=person(name), rejected_at=NOON.at, **WHY
    )


def reversed_(name: str) -> Iterator[ReferralEvent]:
    yield from confirmed(name)
    yield ReferralReversed(
        member_id=ALICE,
        use_id=use(name),
        invited_id=person(name),
        confirmed_at=NOON.at,
        reversed_at=NOON.at,
        **WHY,
    )


def history(*, ended: int = 0, counted: int = 0) -> list[ReferralEvent]:
    events: list[ReferralEvent] = [OPENED, ISSUED, GRANTED]
    for number in range(ended):
        events += expired(f"e{number}")
    for number in range(counted):
        events += confirmed(f"c{number}")
    return events


def confirm(name: str, invited_id: str | None = None, **more: str) -> ConfirmReferral:
    return ConfirmReferral(
        member_id=ALICE, use_id=use(name), invited_id=invited_id or person(name), **more
    )


def reserve(name: str) -> ReserveReferral:
    return ReserveReferral(member_id=ALICE, code=CODE, invited_user=address(name))


@pytest.mark.parametrize(("ended", "counted"), [(8_000, 0), (8_000, SEATS - 1)])
def test_the_state_of_thousands_of_referrals_is_small(ended: int, counted: int) -> None:
    state = DECIDER.fold(history(ended=ended, counted=counted))
    assert isinstance(state, Member)
    assert state.seats_taken == counted
    assert state.codes[CODE].uses == counted
    assert len(STORED_STATE.dump_json(state)) < (64_000 if counted else 8_000)


def test_an_old_reservation_has_ended_and_can_be_made_again() -> None:
    old = account.given(*history(ended=REMEMBERED_ENDINGS + 1))
    old.when(confirm("e0")).then_rejected("reservation_ended")
    old.when(confirm("e0", invited_user="mallory@example.com")).then_rejected("not_found")
    old.when(ReleaseReferral(member_id=ALICE, use_id=use("e0"))).then_nothing()
    old.when(ApproveReferral(member_id=ALICE, use_id=use("e0"), **WHY)).then_rejected("not_held")
    old.when(ReverseReferral(member_id=ALICE, use_id=use("e0"), **WHY)).then_rejected(
        "not_confirmed"
    )
    again = reserved("e0").model_copy(
        update={"reserved_at": later(9 * DAY).at, "expires_at": later(9 * DAY).at + 1_800}
    )
    old.when(reserve("e0")).then(again.model_copy(update={"network": None}))


def test_an_unknown_referral_is_not_found_while_none_has_been_forgotten() -> None:
    known = account.given(*history(ended=REMEMBERED_ENDINGS, counted=REVERSIBLE + 1))
    known.when(confirm("unknown")).then_rejected("not_found")


def test_an_old_confirmation_answers_as_a_new_one_but_is_final() -> None:
    old = account.given(*history(counted=REVERSIBLE + 1))
    old.when(reserve("c0")).then_nothing()
    old.when(confirm("c0")).then_nothing()
    old.when(confirm("c0", "mallory")).then_rejected("seat_taken")
    old.when(ReleaseReferral(member_id=ALICE, use_id=use("c0"))).then_rejected("not_reserved")
    old.when(ApproveReferral(member_id=ALICE, use_id=use("c0"), **WHY)).then_nothing()
    old.when(RejectReferral(member_id=ALICE, use_id=use("c0"), **WHY)).then_rejected("not_held")
    old.when(ReverseReferral(member_id=ALICE, use_id=use("c0"), **WHY)).then_rejected("final")
    newer = ReverseReferral(member_id=ALICE, use_id=use("c1"), **WHY)
    (event,) = DECIDER.decide(DECIDER.fold(old.history), newer, later(9 * DAY))
    assert isinstance(event, ReferralReversed)


def test_the_person_of_an_old_confirmation_is_not_referred_twice() -> None:
    old = history(counted=REVERSIBLE + 1)
    again = RedeemReferral(
        member_id=ALICE, code=CODE, invited_user="other@example.com", invited_id=person("c0")
    )
    events = DECIDER.decide(DECIDER.fold(old), again, later(9 * DAY))
    assert [event.type for event in events] == ["ReferralReserved", "ReferralRejected"]


def test_a_refused_person_stays_refused() -> None:
    refused = account.given(*history(), *rejected("r"), *reversed_("v"))
    for name in "rv":
        known = reserve(name).model_copy(update={"verified": True})
        refused.when(known).then_rejected("code_not_usable")
        refused.when(reserve(name)).then_nothing()  # a stranger learns nothing
        refused.when(confirm(name)).then_nothing()
        refused.when(confirm(name, "mallory")).then_rejected("seat_taken")
    refused.when(RejectReferral(member_id=ALICE, use_id=use("r"), **WHY)).then_nothing()
    refused.when(ReverseReferral(member_id=ALICE, use_id=use("v"), **WHY)).then_nothing()
    refused.when(ReverseReferral(member_id=ALICE, use_id=use("r"), **WHY)).then_rejected(
        "not_confirmed"
    )


def test_refusals_are_bounded() -> None:
    events = history()
    for number in range(REMEMBERED_REFUSALS + 1):
        events += rejected(f"r{number}")
    old = account.given(*events)
    old.when(confirm("r0")).then_rejected("reservation_ended")
    old.when(confirm("r1")).then_nothing()


kinds = st.sampled_from([expired, confirmed, rejected, reversed_])


@settings(max_examples=50)
@given(st.lists(st.tuples(kinds, st.integers(0, 5)), max_size=30), st.integers(0, 60))
def test_folding_on_from_a_snapshot_makes_the_same_state(
    uses: list[tuple[object, int]], cut: int
) -> None:
    events = history(ended=REMEMBERED_ENDINGS - 5, counted=REVERSIBLE - 5)
    for kind, number in uses:
        events += kind(f"x{number}")  # type: ignore[operator]
    first, rest = events[: len(events) - cut], events[len(events) - cut :]
    stored = STORED_STATE.dump_json(DECIDER.fold(first))
    state = DECIDER.fold(rest, STORED_STATE.validate_json(stored))
    assert state == DECIDER.fold(events)
    assert STORED_STATE.dump_json(state) == STORED_STATE.dump_json(DECIDER.fold(events))
