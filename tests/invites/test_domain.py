from dataclasses import replace

import pytest
from pydantic import ValidationError

from chassis.decide.decider import Rejected
from contracts.invites import (
    AddressSuppressed,
    BulkAdmitted,
    CloseInvite,
    InviteAdmitted,
    InviteClosed,
    InviteEvent,
    InviteRow,
    RegisterInviter,
    RowRefused,
    SendInvite,
    SendInvites,
    SuppressAddress,
)
from invites.domain import INVITES, decider
from invites.state import RULES
from tests.invites.examples import ALICE, DAY, KEY, later
from tests.support.scenario import NOON, Scenario

inviter = Scenario(INVITES)

REGISTER = RegisterInviter(member_id="alice", email="alice@example.com")
SEND = SendInvite(inviter_id="alice", email="bob@example.com")


def admitted(*commands: SendInvite | SendInvites) -> list[InviteEvent]:
    events: list[InviteEvent] = [ALICE]
    for number, command in enumerate(commands):
        moment = replace(NOON, entropy=bytes([number]) * 32)
        events += INVITES.decide(INVITES.fold(events), command, moment)
    return events


def bulk(*addresses: str) -> SendInvites:
    rows = tuple(InviteRow(email=each, row=n) for n, each in enumerate(addresses, start=1))
    return SendInvites(inviter_id="alice", job_id="job", rows=rows)


def test_an_opened_account_makes_an_inviter() -> None:
    inviter.when(REGISTER).then(ALICE)


def test_hearing_of_an_account_twice_changes_nothing() -> None:
    inviter.given(ALICE).when(REGISTER).then_nothing()


def test_nobody_invites_without_an_account() -> None:
    inviter.when(SEND).then_rejected("no_account")
    inviter.when(bulk("bob@example.com")).then_rejected("no_account")


def test_an_invitation_is_admitted_under_a_name_that_nobody_guesses() -> None:
    (_, first) = admitted(SEND)
    assert isinstance(first, InviteAdmitted)
    assert (first.email, len(first.invite_id)) == ("bob@example.com", 32)
    other = INVITES.decide(INVITES.fold([ALICE]), SEND, replace(NOON, entropy=bytes([7]) * 32))
    assert isinstance(other[0], InviteAdmitted)
    assert other[0].invite_id != first.invite_id


@pytest.mark.parametrize("again", ["bob@example.com", "BOB@Example.com", "bob+x@example.com"])
def test_nobody_is_invited_twice_by_one_inviter(again: str) -> None:
    wish = SendInvite(inviter_id="alice", email=again)
    inviter.given(*admitted(SEND)).when(wish).then_rejected("already_invited")


def test_nobody_invites_themselves() -> None:
    wish = SendInvite(inviter_id="alice", email="alice+me@example.com")
    inviter.given(ALICE).when(wish).then_rejected("own_address")


@pytest.mark.parametrize(
    ("ending", "asked_again"),
    [("expired", True), ("revoked", True), ("accepted", False), ("declined", False)],
)
def test_who_has_answered_is_not_asked_again(ending: str, *, asked_again: bool) -> None:
    events = admitted(SEND)
    (_, first) = events
    assert isinstance(first, InviteAdmitted)
    wish = CloseInvite.model_validate(
        {"inviterId": "alice", "inviteId": first.invite_id, "ending": ending}
    )
    events += INVITES.decide(INVITES.fold(events), wish, NOON)
    assert isinstance(events[-1], InviteClosed)
    inviter.given(*events).when(wish).then_nothing()
    again = inviter.given(*events).when(SEND)
    if asked_again:
        assert isinstance(again._events()[0], InviteAdmitted)
    else:
        again.then_rejected("already_invited")


def test_each_row_of_many_is_taken_or_refused_for_itself() -> None:
    wish = bulk("bob@example.com", "Bob@example.com", "alice@example.com", "carol@example.com")
    *taken, told = INVITES.decide(INVITES.fold([ALICE]), wish, NOON)
    assert [event.email for event in taken if isinstance(event, InviteAdmitted)] == [
        "bob@example.com",
        "carol@example.com",
    ]
    assert told == BulkAdmitted(
        inviter_id="alice",
        job_id="job",
        accepted=2,
        rejected=(
            RowRefused(row=2, code="already_invited"),
            RowRefused(row=3, code="own_address"),
        ),
        admitted_at=NOON.at,
    )


def test_caps_hold_for_the_open_ones_and_for_a_day() -> None:
    small = decider(replace(RULES, active=3, per_day=2))
    events: list[InviteEvent] = [ALICE]
    people = [f"p{n}@example.com" for n in range(4)]
    *first, told = small.decide(small.fold(events), bulk(*people[:3]), NOON)
    assert isinstance(told, BulkAdmitted)
    assert told.rejected == (RowRefused(row=3, code="too_many_today"),)
    events += [*first, told]
    *second, told = small.decide(small.fold(events), bulk(*people[2:]), later(DAY))
    assert isinstance(told, BulkAdmitted)
    assert told.rejected == (RowRefused(row=2, code="too_many_active"),)
    assert len(second) == 1
    one = SendInvite(inviter_id="alice", email=people[3])
    with pytest.raises(Rejected, match="open"):
        small.decide(small.fold([*events, *second]), one, later(3 * DAY))


def test_an_address_is_suppressed_once_and_the_first_reason_stays() -> None:
    wish = SuppressAddress(address_key=KEY, reason="bounce")
    told = AddressSuppressed(address_key=KEY, reason="bounce", suppressed_at=NOON.at)
    inviter.when(wish).then(told)
    other = SuppressAddress(address_key=KEY, reason="complaint")
    inviter.given(told).when(other).then_nothing()


@pytest.mark.parametrize(
    "text",
    [
        "Bob\r\nBcc: everybody@example.com",
        "\u202egnp.exe",
        "\u2066hidden\u2069",
        "zero\u200bwidth",
        "bell\x07",
        "x" * 81,
    ],
)
def test_a_name_is_one_line_of_visible_signs(text: str) -> None:
    with pytest.raises(ValidationError):
        SendInvite(inviter_id="alice", email="bob@example.com", name=text)


def test_a_note_may_have_lines_and_nothing_that_cannot_be_seen() -> None:
    wish = SendInvite(inviter_id="alice", email="bob@example.com", note="Hi!\r\nSee <b>you</b>")
    assert wish.note == "Hi!\nSee <b>you</b>"
    for hostile in ("\u202eevil", "a\rb", "x" * 10_000, "nul\x00"):
        with pytest.raises(ValidationError):
            SendInvite(inviter_id="alice", email="bob@example.com", note=hostile)
