"""An inviter with thousands of invitations has a small state, and every state fits a snapshot."""

import zlib
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from contracts.invites import (
    AddressSuppressed,
    CloseInvite,
    InviteAdmitted,
    InviteClosed,
    InviteDeclined,
    InviteDelayed,
    InviteDelivered,
    InviteEvent,
    InviteExpired,
    InviteReminded,
    InviteResent,
    InviterEvent,
    InviteRevoked,
    MailWithheld,
    ReservationWanted,
    SendingFailed,
    SendingPostponed,
    Unsubscribed,
)
from invites.answered import REMEMBERED_ANSWERS, Answered
from invites.app import INVITES as SERVICE
from invites.domain import INVITES, STORED_STATE
from tests.invites.examples import ACCEPTED, ALICE, EXPIRY, ID, KEY, MAILED, OUT
from tests.invites.test_inviter import SEND, inviter
from tests.support.scenario import NOON


def answered(number: int) -> list[InviterEvent]:
    admitted = InviteAdmitted(
        inviter_id="alice",
        inviter_email="alice@example.com",
        invite_id=f"{number:032x}",
        email=f"person-{number}@example.com",
        admitted_at=NOON.at - 86_400,
    )
    closed = InviteClosed(
        inviter_id="alice",
        invite_id=admitted.invite_id,
        ending="declined" if number % 2 else "accepted",
        closed_at=NOON.at,
    )
    return [admitted, closed]


def test_the_state_of_an_inviter_with_ten_thousand_invitations_is_small() -> None:
    assert SERVICE.snapshots is not None
    events = [event for number in range(10_000) for event in answered(number)]
    stored = STORED_STATE.dump_json(INVITES.fold([ALICE, *events]))
    assert len(stored) < 8 * REMEMBERED_ANSWERS + 1_000
    assert len(zlib.compress(stored)) < 5 * 4_096  # read units


def test_a_person_who_answered_is_not_invited_again_until_thousands_of_others_have() -> None:
    numbers = range(REMEMBERED_ANSWERS + 1)
    many = inviter.given(ALICE, *[event for number in numbers for event in answered(number)])
    for number in (1, REMEMBERED_ANSWERS):
        again = SEND.model_copy(update={"email": f"person-{number}@example.com"})
        many.when(again).then_rejected("already_invited")
    forgotten = SEND.model_copy(update={"email": "person-0@example.com"})
    state = many.decider.fold(many.history)
    assert many.decider.decide(state, forgotten, NOON)
    closed = CloseInvite(inviter_id="alice", invite_id=f"{3:032x}", ending="expired")
    many.when(closed).then_nothing()


def test_a_digest_is_found_at_its_place_only() -> None:
    first = Answered().with_address("a").with_address("b")
    assert "a" in first
    assert "c" not in first
    shifted = Answered(first.digests[3:] + first.digests[:3])
    assert "b" not in shifted


def of_invitation(event: type, **fields: object) -> InviteEvent:
    made: InviteEvent = event(invite_id=ID, **fields)
    return made


steps = st.sampled_from(
    [
        *MAILED,
        ACCEPTED,
        ALICE,
        *answered(1),
        of_invitation(InviteResent, mail=2, resent_at=1, expires_at=EXPIRY),
        of_invitation(InviteReminded, mail=2, reminded_at=1),
        of_invitation(SendingPostponed, mail=1, because="busy", postponed_at=1, until=9),
        of_invitation(SendingFailed, mail=1, because="gone", failed_at=1),
        of_invitation(MailWithheld, mail=1, reason="complaint", withheld_at=1),
        of_invitation(InviteDelivered, feedback_id="f", delivered_at=1),
        of_invitation(InviteDeclined, inviter_id="alice", declined_at=1),
        of_invitation(InviteRevoked, inviter_id="alice", revoked_at=1),
        of_invitation(InviteExpired, inviter_id="alice", expired_at=1),
        of_invitation(Unsubscribed, unsubscribed_at=1, address_key=KEY),
        of_invitation(
            ReservationWanted,
            inviter_id="alice",
            code="MVA00W4CZS",
            email="bob@example.org",
            wanted_at=1,
        ),
        of_invitation(InviteDelayed, feedback_id="d", because="busy", delayed_at=1),
        of_invitation(SendingFailed, mail=1, because="gone", failed_at=1, feedback_id="r"),
        InviteClosed(inviter_id="alice", invite_id=f"{1:032x}", ending="revoked", closed_at=1),
        AddressSuppressed(address_key=OUT, reason="complaint", suppressed_at=1),
    ]
)


@given(st.lists(steps, max_size=12), st.lists(steps, max_size=6))
def test_folding_on_from_a_snapshot_makes_the_same_state(
    first: Sequence[InviteEvent], rest: Sequence[InviteEvent]
) -> None:
    stored = STORED_STATE.dump_json(INVITES.fold(first))
    state = INVITES.fold(rest, STORED_STATE.validate_json(stored))
    assert state == INVITES.fold([*first, *rest])
