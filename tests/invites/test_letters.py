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
    InviteBounced,
    InviteComplained,
    InviteDeclined,
    InviteDelivered,
    InviteEvent,
    InviteExpired,
    InviteReminded,
    InviteResent,
    InviteRevoked,
    InviteSent,
    InviteView,
    MailWithheld,
    PostponeSending,
    RecordSent,
    ResendInvite,
    ReservationWanted,
    RevokeInvite,
    SendingFailed,
    SendingPostponed,
    SendingStarted,
    StartSending,
    TendInvite,
    Unsubscribe,
    Unsubscribed,
)
from invites.domain import INVITES
from invites.projections import fold_invite
from tests.invites.examples import (
    ACCEPTED,
    DAY,
    END,
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

letter = Scenario(INVITES)

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
RESENT = InviteResent(invite_id=ID, mail=2, resent_at=NOON.at + DAY, expires_at=END + DAY)
DECLINED = InviteDeclined(invite_id=ID, inviter_id="alice", declined_at=NOON.at)
REVOKED = InviteRevoked(invite_id=ID, inviter_id="alice", revoked_at=NOON.at)


def test_it_is_requested_once() -> None:
    letter.when(REQUEST).then(REQUESTED)
    letter.given(REQUESTED).when(REQUEST).then_nothing()


# Mails


def test_a_mail_is_an_intent_and_then_a_result() -> None:
    letter.given(REQUESTED).when(START).then(STARTED)
    letter.given(REQUESTED, STARTED).when(RecordSent(invite_id=ID, mail=1, message_id="m-1")).then(
        SENT
    )
    letter.given(*MAILED).when(START).then_rejected("not_wanted")


def test_two_senders_do_not_send_one_mail() -> None:
    letter.given(REQUESTED, STARTED).at(later(119)).when(START).then_rejected("under_way")


def test_a_start_without_an_end_is_counted_when_it_is_tried_again() -> None:
    again = STARTED.model_copy(update={"started_at": NOON.at + 120, "again": True})
    letter.given(REQUESTED, STARTED).at(later(120)).when(START).then(again)


def test_an_address_that_wants_no_mail_gets_none() -> None:
    wish = START.model_copy(update={"withheld": "bounce"})
    withheld = MailWithheld(invite_id=ID, mail=1, reason="bounce", withheld_at=NOON.at)
    letter.given(REQUESTED).when(wish).then(withheld)
    letter.given(REQUESTED, withheld).when(START).then_rejected("not_wanted")


def test_pauses_grow_up_to_an_hour_and_no_intent_stays_open() -> None:
    wish = PostponeSending(invite_id=ID, mail=1, because="Throttling")
    events: list[InviteEvent] = [REQUESTED]
    pauses = []
    for _ in range(10):
        moment = later(0)
        events.append(STARTED)
        (told,) = INVITES.decide(INVITES.fold(events), wish, moment)
        assert isinstance(told, SendingPostponed)
        events.append(told)
        pauses.append(told.until - NOON.at)
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    letter.given(*events).when(START).then_rejected("postponed")
    (again,) = letter.given(*events).at(later(3600)).when(START)._events()
    assert isinstance(again, SendingStarted)
    assert not again.again


def test_what_the_mail_system_never_takes_is_given_up() -> None:
    wish = GiveUpSending(invite_id=ID, mail=1, because="MessageRejected")
    failed = SendingFailed(invite_id=ID, mail=1, because="MessageRejected", failed_at=NOON.at)
    letter.given(REQUESTED, STARTED).when(wish).then(failed)
    letter.given(REQUESTED, STARTED, failed).when(START).then_rejected("not_wanted")


def test_a_resent_one_has_a_new_token_and_the_old_one_is_dead() -> None:
    letter.given(*MAILED).at(later(DAY)).when(RESEND).then(RESENT)
    letter.given(*MAILED, RESENT).when(ACCEPT).then_rejected("token_replaced")
    second = StartSending(invite_id=ID, mail=2, token_hash=OTHER, unsubscribe_hash=OUT)
    (started,) = letter.given(*MAILED, RESENT).at(later(DAY)).when(second)._events()
    letter.given(*MAILED, RESENT, started).when(ACCEPT).then_rejected("token_replaced")
    new = AcceptInvite(invite_id=ID, token_hash=OTHER)
    assert letter.given(*MAILED, RESENT, started).when(new)._events()[0] == ACCEPTED


def test_it_is_resent_a_day_later_and_three_times_at_most() -> None:
    letter.given(*MAILED).at(later(DAY - 1)).when(RESEND).then_rejected("resent_lately")
    events: list[InviteEvent] = [*MAILED]
    for day in (1, 2, 3):
        events += INVITES.decide(INVITES.fold(events), RESEND, later(day * DAY))
    letter.given(*events).at(later(9 * DAY)).when(RESEND).then_rejected("resent_out")


def test_only_its_inviter_resends_and_revokes() -> None:
    for wish in (RESEND, REVOKE):
        other = wish.model_copy(update={"inviter_id": "mallory"})
        letter.given(*MAILED).at(later(DAY)).when(other).then_rejected("not_found")


def test_an_expired_one_lives_again_when_it_is_resent() -> None:
    expired = InviteExpired(invite_id=ID, inviter_id="alice", expired_at=END)
    again = RESENT.model_copy(
        update={"resent_at": NOON.at + 15 * DAY, "expires_at": NOON.at + 29 * DAY}
    )
    letter.given(*MAILED, expired).at(later(15 * DAY)).when(RESEND).then(again)
    letter.given(*MAILED, REVOKED).at(later(DAY)).when(RESEND).then_rejected("invite_revoked")


def test_one_reminder_with_the_same_token() -> None:
    letter.given(*MAILED).at(later(3 * DAY - 1)).when(TEND).then_nothing()
    reminded = InviteReminded(invite_id=ID, mail=2, reminded_at=NOON.at + 3 * DAY)
    letter.given(*MAILED).at(later(3 * DAY)).when(TEND).then(reminded)
    second: list[InviteEvent] = [
        STARTED.model_copy(update={"mail": 2}),
        InviteSent(invite_id=ID, mail=2, message_id="m-2", sent_at=NOON.at + 3 * DAY),
    ]
    told = letter.given(*MAILED, reminded, *second)
    told.at(later(9 * DAY)).when(TEND).then_nothing()
    assert told.when(ACCEPT)._events()[0] == ACCEPTED


@pytest.mark.parametrize("unwelcome", ["bounced", "complained", "unsubscribed"])
def test_nobody_is_reminded_who_does_not_want_mail(unwelcome: str) -> None:
    told: InviteEvent
    if unwelcome == "unsubscribed":
        told = Unsubscribed(invite_id=ID, unsubscribed_at=NOON.at, address_key=KEY)
    else:
        wish = feedback(unwelcome, permanent=True)
        (told,) = letter.given(*MAILED).when(wish)._events()
    letter.given(*MAILED, told).at(later(3 * DAY)).when(TEND).then_nothing()


def test_time_ends_it() -> None:
    expired = InviteExpired(invite_id=ID, inviter_id="alice", expired_at=END)
    letter.given(*MAILED).at(later(14 * DAY)).when(TEND).then(expired)
    letter.given(*MAILED).at(later(14 * DAY)).when(ACCEPT).then_rejected("invite_expired")
    letter.given(*MAILED, expired).when(TEND).then_nothing()


# Feedback


def test_feedback_is_taken_once_and_in_any_order() -> None:
    bounced = InviteBounced(
        invite_id=ID,
        feedback_id="f-1",
        permanent=True,
        bounced_at=NOON.at + 5,
        address_key=KEY,
    )
    wish = feedback("bounced", permanent=True)
    letter.given(REQUESTED, STARTED).when(wish).then(bounced)  # before the call came back
    letter.given(*MAILED, bounced).when(wish).then_nothing()
    letter.given(*MAILED, bounced).when(feedback("complained", "f-2")).then(
        InviteComplained(
            invite_id=ID, feedback_id="f-2", complained_at=NOON.at + 5, address_key=KEY
        )
    )
    letter.given(*MAILED, bounced).when(feedback("delivered", "f-3")).then(
        InviteDelivered(invite_id=ID, feedback_id="f-3", delivered_at=NOON.at + 5)
    )


# Answers


def test_accepting_asks_for_a_seat() -> None:
    letter.given(*MAILED).when(ACCEPT).then(ACCEPTED, WANTED)


def test_accepting_again_is_the_same_and_asks_anew_once_the_seat_was_lost() -> None:
    told = letter.given(*MAILED, ACCEPTED, WANTED)
    told.at(later(1_799)).when(ACCEPT).then_nothing()
    told.at(later(1_800)).when(ACCEPT).then(
        WANTED.model_copy(update={"wanted_at": NOON.at + 1_800})
    )


@pytest.mark.parametrize(
    ("ended", "accept", "decline"),
    [
        (ACCEPTED, None, "invite_accepted"),
        (DECLINED, "invite_declined", None),
        (REVOKED, "invite_revoked", "invite_revoked"),
    ],
)
def test_an_answer_is_given_once(
    ended: InviteEvent, accept: str | None, decline: str | None
) -> None:
    told = letter.given(*MAILED, *([ended, WANTED] if ended is ACCEPTED else [ended]))
    for wish, refusal in ((ACCEPT, accept), (DECLINE, decline)):
        if refusal is None:
            told.when(wish).then_nothing()
        else:
            told.when(wish).then_rejected(refusal)


def test_a_stranger_has_no_token() -> None:
    for wish in (ACCEPT, DECLINE):
        letter.given(*MAILED).when(wish.model_copy(update={"token_hash": OTHER})).then_rejected(
            "token_replaced"
        )
        letter.when(wish).then_rejected("not_found")
    letter.given(*MAILED).when(Unsubscribe(invite_id=ID, token_hash=TOKEN)).then_rejected(
        "not_found"
    )


def test_the_token_to_unsubscribe_does_just_that_and_for_ever() -> None:
    wish = Unsubscribe(invite_id=ID, token_hash=OUT)
    gone = Unsubscribed(invite_id=ID, unsubscribed_at=NOON.at, address_key=KEY)
    letter.given(*MAILED, REVOKED).when(wish).then(gone)
    letter.given(*MAILED, gone).when(wish).then_nothing()
    letter.given(*MAILED).when(AcceptInvite(invite_id=ID, token_hash=OUT)).then_rejected(
        "token_replaced"
    )


# Whatever happens


WISHES: Sequence[Any] = (
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
    DECLINE,
    RESEND,
    REVOKE,
    TEND,
    Unsubscribe(invite_id=ID, token_hash=OUT),
)
HOUR = 3_600


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WISHES), st.integers(0, 40 * HOUR)), max_size=40))
def test_any_order_of_wishes_leaves_one_answer_and_one_mail_at_a_time(
    told: list[tuple[Any, int]],
) -> None:
    """Played by a plain model: mails that went out, tokens that are good, answers that stand."""
    events: list[InviteEvent] = []
    at, view = NOON.at, None
    started: dict[int, int] = {}
    for wish, pause in told:
        at += pause
        state = INVITES.fold(events)
        try:
            new = INVITES.decide(state, wish, DecisionContext(at * 1000, NOON.entropy))
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
        known = INVITES.fold(events).letter
        assert known is not None
        assert isinstance(view, InviteView)
        assert (known.ending is None) == (view.due_at is not None)
        assert view.token_hash == (known.token_hash or "")
        assert view.expires_at == known.expires_at
