from dataclasses import replace

import pytest
from pydantic import ValidationError

from chassis.decide.decider import Rejected
from contracts.invites import (
    BulkAdmitted,
    CloseInvite,
    InviteAdmitted,
    InviteClosed,
    InviteeReleased,
    InviterEvent,
    InviteRow,
    RegisterInviter,
    ReleaseInvitee,
    RowRefused,
    SendInvite,
    SendInvites,
)
from invites.domain import INVITERS
from invites.inviter import decider
from invites.inviter_state import REMEMBERED_REVOCATIONS, Registered
from invites.rules import RULES
from tests.invites.examples import ALICE, DAY, later
from tests.support.scenario import NOON, Scenario

inviter = Scenario(INVITERS)

REGISTER = RegisterInviter(member_id="alice", email="alice@example.com")
SEND = SendInvite(inviter_id="alice", email="bob@example.com")


def admitted(*commands: SendInvite | SendInvites) -> list[InviterEvent]:
    events: list[InviterEvent] = [ALICE]
    for number, command in enumerate(commands):
        context = replace(NOON, entropy=bytes([number]) * 32)
        events += INVITERS.decide(INVITERS.fold(events), command, context)
    return events


def bulk(*addresses: str) -> SendInvites:
    rows = tuple(InviteRow(email=each, row=n) for n, each in enumerate(addresses, start=1))
    return SendInvites(inviter_id="alice", job_id="job", rows=rows)


def test_an_opened_account_registers_an_inviter() -> None:
    inviter.when(REGISTER).then(ALICE)


def test_registering_an_inviter_again_changes_nothing() -> None:
    inviter.given(ALICE).when(REGISTER).then_nothing()


def test_inviting_requires_an_account() -> None:
    inviter.when(SEND).then_rejected("no_account")
    inviter.when(bulk("bob@example.com")).then_rejected("no_account")


def test_an_invitation_is_admitted_under_an_unguessable_id() -> None:
    (_, first) = admitted(SEND)
    assert isinstance(first, InviteAdmitted)
    assert (first.email, len(first.invite_id)) == ("bob@example.com", 32)
    other = INVITERS.decide(INVITERS.fold([ALICE]), SEND, replace(NOON, entropy=bytes([7]) * 32))
    assert isinstance(other[0], InviteAdmitted)
    assert other[0].invite_id != first.invite_id


@pytest.mark.parametrize("again", ["bob@example.com", "BOB@Example.com", "bob+x@example.com"])
def test_an_inviter_invites_a_person_only_once(again: str) -> None:
    command = SendInvite(inviter_id="alice", email=again)
    inviter.given(*admitted(SEND)).when(command).then_rejected("already_invited")


def test_inviting_oneself_is_rejected() -> None:
    command = SendInvite(inviter_id="alice", email="alice+me@example.com")
    inviter.given(ALICE).when(command).then_rejected("own_address")


@pytest.mark.parametrize(
    ("ending", "invited_again"),
    [("expired", True), ("revoked", True), ("accepted", False), ("declined", False)],
)
def test_a_person_who_has_answered_is_not_invited_again(
    ending: str, *, invited_again: bool
) -> None:
    events = admitted(SEND)
    (_, first) = events
    assert isinstance(first, InviteAdmitted)
    close = CloseInvite.model_validate(
        {"inviterId": "alice", "inviteId": first.invite_id, "ending": ending}
    )
    events += INVITERS.decide(INVITERS.fold(events), close, NOON)
    assert isinstance(events[-1], InviteClosed)
    inviter.given(*events).when(close).then_nothing()
    again = inviter.given(*events).when(SEND)
    if invited_again:
        assert isinstance(again._events()[0], InviteAdmitted)
    else:
        again.then_rejected("already_invited")


def test_a_person_whose_invitations_were_revoked_is_invited_again_after_two_weeks() -> None:
    events: list[InviterEvent] = [ALICE]
    for number in range(2):
        context = replace(later(number), entropy=bytes([number]) * 32)
        (event,) = INVITERS.decide(INVITERS.fold(events), SEND, context)
        assert isinstance(event, InviteAdmitted)
        closed = InviteClosed(
            inviter_id="alice",
            invite_id=event.invite_id,
            ending="revoked",
            closed_at=NOON.at + number,
        )
        events += [event, closed]
    inviter.given(*events).when(SEND).then_rejected("invited_often")
    rows = bulk("bob+x@example.com", "carol@example.com")
    *_, result = INVITERS.decide(INVITERS.fold(events), rows, NOON)
    assert isinstance(result, BulkAdmitted)
    assert result.rejected == (RowRefused(row=1, code="invited_often"),)
    after = INVITERS.decide(INVITERS.fold(events), SEND, later(14 * DAY))
    assert isinstance(after[0], InviteAdmitted)


def test_revocations_that_count_no_more_are_forgotten() -> None:
    events: list[InviterEvent] = [ALICE]
    for number in range(50):
        command = SendInvite(inviter_id="alice", email=f"p{number}@example.com")
        context = replace(later(number * DAY), entropy=bytes([number]) * 32)
        (event,) = INVITERS.decide(INVITERS.fold(events), command, context)
        assert isinstance(event, InviteAdmitted)
        closed = InviteClosed(
            inviter_id="alice", invite_id=event.invite_id, ending="revoked", closed_at=context.at
        )
        events += [event, closed]
    state = INVITERS.fold(events)
    assert isinstance(state, Registered)
    assert len(state.revoked) == 14


def test_an_inviter_remembers_the_newest_revocations() -> None:
    events: list[InviterEvent] = [ALICE]
    for number in range(REMEMBERED_REVOCATIONS + 20):
        invite_id = f"{number:032x}"
        admitted_one = InviteAdmitted(
            inviter_id="alice",
            invite_id=invite_id,
            email=f"p{number}@example.com",
            admitted_at=NOON.at,
        )
        closed = InviteClosed(
            inviter_id="alice", invite_id=invite_id, ending="revoked", closed_at=NOON.at
        )
        events += [admitted_one, closed]
    state = INVITERS.fold(events)
    assert isinstance(state, Registered)
    assert next(iter(state.revoked)) == "p20@example.com"
    assert len(state.revoked) == REMEMBERED_REVOCATIONS


def test_an_event_that_closes_an_unknown_invitation_is_ignored() -> None:
    closed = InviteClosed(
        inviter_id="alice", invite_id="unknown", ending="expired", closed_at=NOON.at
    )
    assert INVITERS.fold([closed]) == INVITERS.initial
    assert INVITERS.fold([ALICE, closed]) == INVITERS.fold([ALICE])


def test_each_row_of_a_bulk_request_is_admitted_or_rejected_on_its_own() -> None:
    command = bulk("bob@example.com", "Bob@example.com", "alice@example.com", "carol@example.com")
    *invitations, result = INVITERS.decide(INVITERS.fold([ALICE]), command, NOON)
    assert [event.email for event in invitations if isinstance(event, InviteAdmitted)] == [
        "bob@example.com",
        "carol@example.com",
    ]
    assert result == BulkAdmitted(
        inviter_id="alice",
        job_id="job",
        accepted=2,
        rejected=(
            RowRefused(row=2, code="already_invited"),
            RowRefused(row=3, code="own_address"),
        ),
        admitted_at=NOON.at,
    )


def test_open_invitations_and_invitations_per_day_are_limited() -> None:
    small = decider(replace(RULES, active=3, per_day=2))
    events: list[InviterEvent] = [ALICE]
    people = [f"p{n}@example.com" for n in range(4)]
    *first, result = small.decide(small.fold(events), bulk(*people[:3]), NOON)
    assert isinstance(result, BulkAdmitted)
    assert result.rejected == (RowRefused(row=3, code="too_many_today"),)
    events += [*first, result]
    *second, result = small.decide(small.fold(events), bulk(*people[2:]), later(DAY))
    assert isinstance(result, BulkAdmitted)
    assert result.rejected == (RowRefused(row=2, code="too_many_active"),)
    assert len(second) == 1
    one = SendInvite(inviter_id="alice", email=people[3])
    with pytest.raises(Rejected, match="open"):
        small.decide(small.fold([*events, *second]), one, later(3 * DAY))


@pytest.mark.parametrize(
    "text",
    [
        "Bob\r\nBcc: all@example.com",
        "\u202egnp.exe",
        "\u2066hidden\u2069",
        "zero\u200bwidth",
        "bell\x07",
        "x" * 81,
    ],
)
def test_a_name_must_be_one_line_of_visible_characters(text: str) -> None:
    with pytest.raises(ValidationError):
        SendInvite(inviter_id="alice", email="bob@example.com", name=text)


def test_a_note_may_have_lines_but_no_invisible_characters() -> None:
    command = SendInvite(inviter_id="alice", email="bob@example.com", note="Hi!\r\nSee <b>you</b>")
    assert command.note == "Hi!\nSee <b>you</b>"
    for hostile in ("\u202eevil", "a\rb", "x" * 10_000, "nul\x00"):
        with pytest.raises(ValidationError):
            SendInvite(inviter_id="alice", email="bob@example.com", note=hostile)


def test_a_person_whose_accepted_invitation_got_no_seat_can_be_invited_again() -> None:
    events = admitted(SEND)
    invite_id = INVITERS.fold(events).open["bob@example.com"]  # type: ignore[union-attr]
    closed = InviteClosed(
        inviter_id="alice", invite_id=invite_id, ending="accepted", closed_at=NOON.at
    )
    release = ReleaseInvitee(inviter_id="alice", invite_id=invite_id, email="bob@example.com")
    released = InviteeReleased(
        inviter_id="alice", invite_id=invite_id, email="bob@example.com", released_at=NOON.at
    )
    inviter.given(*events, closed).when(SEND).then_rejected("already_invited")
    inviter.given(*events, closed).when(release).then(released)
    inviter.given(*events, closed, released).when(release).then_nothing()
    inviter.given(*events).when(release).then_nothing()
    inviter.when(release).then_nothing()
    again = inviter.given(*events, closed, released).when(SEND)._events()
    assert [event.type for event in again] == ["InviteAdmitted"]


@pytest.mark.parametrize("command", [SEND, bulk("bob@example.com")])
def test_an_invitation_without_a_usable_code_is_rejected(
    command: SendInvite | SendInvites,
) -> None:
    without = command.model_copy(update={"no_code": True})
    inviter.given(ALICE).when(without).then_rejected("no_code")
    inviter.when(without).then_rejected("no_account")
