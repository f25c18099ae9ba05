from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.decide.decider import DecisionContext, Rejected
from contracts.invites import (
    AcceptInvite,
    DeclineInvite,
    GiveUpSending,
    InvitationEvent,
    InviteBounced,
    InviteComplained,
    InviteDeclined,
    InviteDelivered,
    InviteExpired,
    InviteReminded,
    InviteResent,
    InviteRevoked,
    InviteSent,
    InviteView,
    MailWithheld,
    PostponeSending,
    RecordSeat,
    RecordSent,
    ResendInvite,
    ReservationWanted,
    RevokeInvite,
    SeatRefused,
    SeatReserved,
    SendingFailed,
    SendingPostponed,
    SendingStarted,
    StartSending,
    TendInvite,
    Unsubscribe,
    Unsubscribed,
)
from invites.domain import INVITATIONS
from invites.invitation.state import Accepted, Active, NotRequested
from invites.projections import fold_invite
from tests.invites.examples import (
    ACCEPTED,
    DAY,
    EXPIRY,
    ID,
    KEY,
    MAILED,
    OTHER,
    OUT,
    REQUEST,
    REQUESTED,
    SENT,
    START,
    STARTED,
    TOKEN,
    feedback,
    later,
)
from tests.support.scenario import NOON, Scenario

invitation = Scenario(INVITATIONS)

ACCEPT = AcceptInvite(invite_id=ID, token_hash=TOKEN)
DECLINE = DeclineInvite(invite_id=ID, token_hash=TOKEN)
RESEND = ResendInvite(invite_id=ID, inviter_id="alice")
REVOKE = RevokeInvite(invite_id=ID, inviter_id="alice")
TEND = TendInvite(invite_id=ID)
WANTED = ReservationWanted(
    invite_id=ID,
    inviter_id="alice",
    code="MVA00W4CZS",
    email="bob@example.org",
    wanted_at=NOON.at,
)
RESENT = InviteResent(invite_id=ID, mail=2, resent_at=NOON.at + DAY, expires_at=EXPIRY + DAY)
DECLINED = InviteDeclined(invite_id=ID, inviter_id="alice", declined_at=NOON.at)
REVOKED = InviteRevoked(invite_id=ID, inviter_id="alice", revoked_at=NOON.at)


def test_an_invitation_is_requested_once() -> None:
    invitation.when(REQUEST).then(REQUESTED)
    invitation.given(REQUESTED).when(REQUEST).then_nothing()


# Mails


def test_a_mail_is_recorded_as_an_intent_and_then_a_result() -> None:
    invitation.given(REQUESTED).when(START).then(STARTED)
    invitation.given(REQUESTED, STARTED).when(
        RecordSent(invite_id=ID, mail=1, message_id="m-1")
    ).then(SENT)
    invitation.given(*MAILED).when(START).then_rejected("not_wanted")


def test_two_instances_do_not_send_the_same_mail() -> None:
    invitation.given(REQUESTED, STARTED).at(later(119)).when(START).then_rejected("under_way")


def test_a_mail_without_a_result_is_marked_when_it_is_sent_again() -> None:
    again = STARTED.model_copy(update={"started_at": NOON.at + 120, "again": True})
    invitation.given(REQUESTED, STARTED).at(later(120)).when(START).then(again)


def test_a_suppressed_address_gets_no_mail() -> None:
    command = START.model_copy(update={"withheld": "bounce"})
    withheld = MailWithheld(invite_id=ID, mail=1, reason="bounce", withheld_at=NOON.at)
    invitation.given(REQUESTED).when(command).then(withheld)
    invitation.given(REQUESTED, withheld).when(START).then_rejected("not_wanted")


def test_retry_pauses_grow_up_to_an_hour_and_close_the_intent() -> None:
    command = PostponeSending(invite_id=ID, mail=1, because="Throttling")
    events: list[InvitationEvent] = [REQUESTED]
    pauses = []
    for _ in range(10):
        context = later(0)
        events.append(STARTED)
        (postponed,) = INVITATIONS.decide(INVITATIONS.fold(events), command, context)
        assert isinstance(postponed, SendingPostponed)
        events.append(postponed)
        pauses.append(postponed.until - NOON.at)
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    invitation.given(*events).when(START).then_rejected("postponed")
    (again,) = invitation.given(*events).at(later(3600)).when(START)._events()
    assert isinstance(again, SendingStarted)
    assert not again.again


def test_a_mail_that_the_provider_refuses_is_given_up() -> None:
    command = GiveUpSending(invite_id=ID, mail=1, because="MessageRejected")
    failed = SendingFailed(invite_id=ID, mail=1, because="MessageRejected", failed_at=NOON.at)
    invitation.given(REQUESTED, STARTED).when(command).then(failed)
    invitation.given(REQUESTED, STARTED, failed).when(START).then_rejected("not_wanted")


def test_resending_replaces_the_token() -> None:
    invitation.given(*MAILED).at(later(DAY)).when(RESEND).then(RESENT)
    invitation.given(*MAILED, RESENT).when(ACCEPT).then_rejected("token_replaced")
    second = StartSending(invite_id=ID, mail=2, token_hash=OTHER, unsubscribe_hash=OUT)
    (started,) = invitation.given(*MAILED, RESENT).at(later(DAY)).when(second)._events()
    invitation.given(*MAILED, RESENT, started).when(ACCEPT).then_rejected("token_replaced")
    new = AcceptInvite(invite_id=ID, token_hash=OTHER)
    assert invitation.given(*MAILED, RESENT, started).when(new)._events()[0] == ACCEPTED


def test_resending_is_possible_once_a_day_and_three_times_at_most() -> None:
    invitation.given(*MAILED).at(later(DAY - 1)).when(RESEND).then_rejected("resent_lately")
    events: list[InvitationEvent] = [*MAILED]
    for day in (1, 2, 3):
        events += INVITATIONS.decide(INVITATIONS.fold(events), RESEND, later(day * DAY))
    invitation.given(*events).at(later(9 * DAY)).when(RESEND).then_rejected("resent_out")


def test_only_the_inviter_can_resend_and_revoke() -> None:
    for command in (RESEND, REVOKE):
        other = command.model_copy(update={"inviter_id": "mallory"})
        invitation.given(*MAILED).at(later(DAY)).when(other).then_rejected("not_found")


def test_resending_an_expired_invitation_makes_it_active_again() -> None:
    expired = InviteExpired(invite_id=ID, inviter_id="alice", expired_at=EXPIRY)
    again = RESENT.model_copy(
        update={"resent_at": NOON.at + 15 * DAY, "expires_at": NOON.at + 29 * DAY}
    )
    invitation.given(*MAILED, expired).at(later(15 * DAY)).when(RESEND).then(again)
    invitation.given(*MAILED, REVOKED).at(later(DAY)).when(RESEND).then_rejected("invite_revoked")


def test_one_reminder_is_sent_with_the_same_token() -> None:
    invitation.given(*MAILED).at(later(3 * DAY - 1)).when(TEND).then_nothing()
    reminded = InviteReminded(invite_id=ID, mail=2, reminded_at=NOON.at + 3 * DAY)
    invitation.given(*MAILED).at(later(3 * DAY)).when(TEND).then(reminded)
    second: list[InvitationEvent] = [
        STARTED.model_copy(update={"mail": 2}),
        InviteSent(invite_id=ID, mail=2, message_id="m-2", sent_at=NOON.at + 3 * DAY),
    ]
    reminder_sent = invitation.given(*MAILED, reminded, *second)
    reminder_sent.at(later(9 * DAY)).when(TEND).then_nothing()
    assert reminder_sent.when(ACCEPT)._events()[0] == ACCEPTED


@pytest.mark.parametrize("unwelcome", ["bounced", "complained", "unsubscribed"])
def test_a_recipient_who_does_not_want_mail_is_not_reminded(unwelcome: str) -> None:
    event: InvitationEvent
    if unwelcome == "unsubscribed":
        event = Unsubscribed(invite_id=ID, unsubscribed_at=NOON.at, address_key=KEY)
    else:
        command = feedback(unwelcome, permanent=True)
        (event,) = invitation.given(*MAILED).when(command)._events()
    invitation.given(*MAILED, event).at(later(3 * DAY)).when(TEND).then_nothing()


def test_an_invitation_expires() -> None:
    expired = InviteExpired(invite_id=ID, inviter_id="alice", expired_at=EXPIRY)
    invitation.given(*MAILED).at(later(14 * DAY)).when(TEND).then(expired)
    invitation.given(*MAILED).at(later(14 * DAY)).when(ACCEPT).then_rejected("invite_expired")
    invitation.given(*MAILED, expired).when(TEND).then_nothing()


# Feedback


def test_feedback_is_recorded_once_and_in_any_order() -> None:
    bounced = InviteBounced(
        invite_id=ID,
        feedback_id="f-1",
        permanent=True,
        bounced_at=NOON.at + 5,
        address_key=KEY,
    )
    command = feedback("bounced", permanent=True)
    invitation.given(REQUESTED, STARTED).when(command).then(bounced)  # before the call came back
    invitation.given(*MAILED, bounced).when(command).then_nothing()
    invitation.given(*MAILED, bounced).when(feedback("complained", "f-2")).then(
        InviteComplained(
            invite_id=ID, feedback_id="f-2", complained_at=NOON.at + 5, address_key=KEY
        )
    )
    invitation.given(*MAILED, bounced).when(feedback("delivered", "f-3")).then(
        InviteDelivered(invite_id=ID, feedback_id="f-3", delivered_at=NOON.at + 5)
    )


# Answers


def test_accepting_requests_a_reservation() -> None:
    invitation.given(*MAILED).when(ACCEPT).then(ACCEPTED, WANTED)


def test_accepting_again_requests_another_reservation_only_after_the_first_has_lapsed() -> None:
    accepted = invitation.given(*MAILED, ACCEPTED, WANTED)
    accepted.at(later(1_799)).when(ACCEPT).then_nothing()
    accepted.at(later(1_800)).when(ACCEPT).then(
        WANTED.model_copy(update={"wanted_at": NOON.at + 1_800})
    )


RESERVE = RecordSeat(invite_id=ID)
REFUSE = RecordSeat(invite_id=ID, refused="code_not_usable")
RESERVED = SeatReserved(invite_id=ID, reserved_at=NOON.at)
REFUSED = SeatRefused(
    invite_id=ID,
    inviter_id="alice",
    email="bob@example.org",
    code="code_not_usable",
    refused_at=NOON.at,
)


def test_what_became_of_the_seat_is_recorded_once() -> None:
    accepted = invitation.given(*MAILED, ACCEPTED, WANTED)
    accepted.when(RESERVE).then(RESERVED)
    accepted.when(REFUSE).then(REFUSED)
    invitation.given(*MAILED, ACCEPTED, WANTED, RESERVED).when(RESERVE).then_nothing()
    invitation.given(*MAILED, ACCEPTED, WANTED, REFUSED).when(REFUSE).then_nothing()
    invitation.given(*MAILED, ACCEPTED, WANTED, REFUSED).when(RESERVE).then(RESERVED)


@pytest.mark.parametrize("events", [(), MAILED])
def test_a_seat_of_an_invitation_that_was_not_accepted_is_ignored(
    events: tuple[InvitationEvent, ...],
) -> None:
    for command in (RESERVE, REFUSE):
        invitation.given(*events).when(command).then_nothing()


def test_accepting_again_requests_a_refused_seat_again_after_a_pause_and_not_for_ever() -> None:
    refused = invitation.given(*MAILED, ACCEPTED, WANTED, REFUSED)
    refused.at(later(59)).when(ACCEPT).then_nothing()
    again = replace_at(WANTED, 60)
    refused.at(later(60)).when(ACCEPT).then(again)
    often = invitation.given(*MAILED, ACCEPTED, *(WANTED, REFUSED) * 10)
    often.at(later(DAY)).when(ACCEPT).then_nothing()
    had = invitation.given(*MAILED, ACCEPTED, *(WANTED, REFUSED) * 9, WANTED, RESERVED)
    had.at(later(1_800)).when(ACCEPT).then(replace_at(WANTED, 1_800))


def replace_at(wanted: ReservationWanted, seconds: int) -> ReservationWanted:
    return wanted.model_copy(update={"wanted_at": NOON.at + seconds})


def test_the_view_shows_what_became_of_the_seat() -> None:
    def seat(*events: InvitationEvent) -> tuple[str | None, str]:
        view = None
        for event in (*MAILED, ACCEPTED, *events):
            view = fold_invite(view, event)
        assert view is not None
        return view.seat, view.timeline[-1].what

    assert seat() == (None, "accepted")
    assert seat(WANTED) == ("pending", "accepted")
    assert seat(WANTED, RESERVED) == ("reserved", "accepted")
    assert seat(WANTED, REFUSED) == ("refused", "no_seat")
    assert seat(WANTED, REFUSED, WANTED) == ("pending", "no_seat")


@pytest.mark.parametrize(
    ("ended", "accept", "decline"),
    [
        (ACCEPTED, None, "invite_accepted"),
        (DECLINED, "invite_declined", None),
        (REVOKED, "invite_revoked", "invite_revoked"),
    ],
)
def test_an_invitation_is_answered_once(
    ended: InvitationEvent, accept: str | None, decline: str | None
) -> None:
    answered = invitation.given(*MAILED, *([ended, WANTED] if ended is ACCEPTED else [ended]))
    for command, code in ((ACCEPT, accept), (DECLINE, decline)):
        if code is None:
            answered.when(command).then_nothing()
        else:
            answered.when(command).then_rejected(code)


def test_a_wrong_token_is_rejected() -> None:
    for command in (ACCEPT, DECLINE):
        invitation.given(*MAILED).when(
            command.model_copy(update={"token_hash": OTHER})
        ).then_rejected("token_replaced")
        invitation.when(command).then_rejected("not_found")
    invitation.given(*MAILED).when(Unsubscribe(invite_id=ID, token_hash=TOKEN)).then_rejected(
        "not_found"
    )


def test_the_unsubscribe_token_can_only_unsubscribe_and_never_expires() -> None:
    command = Unsubscribe(invite_id=ID, token_hash=OUT)
    gone = Unsubscribed(invite_id=ID, unsubscribed_at=NOON.at, address_key=KEY)
    invitation.given(*MAILED, REVOKED).when(command).then(gone)
    invitation.given(*MAILED, gone).when(command).then_nothing()
    invitation.given(*MAILED).when(AcceptInvite(invite_id=ID, token_hash=OUT)).then_rejected(
        "token_replaced"
    )


# Any order of commands


COMMANDS: Sequence[Any] = (
    REQUEST,
    START,
    START.model_copy(update={"withheld": "complaint"}),
    StartSending(invite_id=ID, mail=2, token_hash=OTHER, unsubscribe_hash=OUT),
    RecordSent(invite_id=ID, mail=1, message_id="m-1"),
    RecordSent(invite_id=ID, mail=2, message_id="m-2"),
    PostponeSending(invite_id=ID, mail=1, because="Throttling"),
    GiveUpSending(invite_id=ID, mail=2, because="MessageRejected"),
    feedback("delivered"),
    feedback("bounced", "f-2", permanent=True),
    feedback("complained", "f-3"),
    ACCEPT,
    AcceptInvite(invite_id=ID, token_hash=OTHER),
    RESERVE,
    REFUSE,
    DECLINE,
    RESEND,
    REVOKE,
    TEND,
    Unsubscribe(invite_id=ID, token_hash=OUT),
)
HOUR = 3_600


@pytest.mark.slow
@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(COMMANDS), st.integers(0, 40 * HOUR)), max_size=40))
def test_any_order_of_commands_leaves_one_answer_and_one_mail_at_a_time(
    script: list[tuple[Any, int]],
) -> None:
    """Replay random commands against a simple model of mails, tokens and answers."""
    events: list[InvitationEvent] = []
    at, view = NOON.at, None
    started: dict[int, int] = {}
    for command, pause in script:
        at += pause
        state = INVITATIONS.fold(events)
        try:
            new = INVITATIONS.decide(state, command, DecisionContext(at * 1000, NOON.entropy))
        except Rejected:
            continue
        for event in new:
            if isinstance(event, SendingStarted):
                if event.again:
                    assert at - started[event.mail] >= 120
                started[event.mail] = at
            view = fold_invite(view, event)
        events += new
    types = [event.type for event in events]
    assert types.count("InviteAccepted") <= 1
    assert types.count("InviteReminded") <= 1
    assert types.count("InviteDelivered") <= 1
    answers = {"InviteAccepted", "InviteDeclined"} & set(types)
    assert len(answers) <= 1
    if answers:
        assert view is not None
        assert view.state in ("accepted", "declined")
    sent = [event.mail for event in events if isinstance(event, InviteSent)]
    assert len(sent) == len(set(sent))
    if events:
        state = INVITATIONS.fold(events)
        assert not isinstance(state, NotRequested)
        assert isinstance(view, InviteView)
        assert isinstance(state, Active) == (view.due_at is not None)
        assert view.token_hash == (state.record.mailing.token_hash or "")
        assert view.expires_at == state.record.expires_at
        if isinstance(state, Accepted) and "ReservationWanted" in types:
            assert view.seat == state.seat
