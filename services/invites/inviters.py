"""Who may invite whom, and how many (pure)."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from chassis.decide.decider import DecisionContext, Rejected
from contracts.addresses import folded
from contracts.invites import (
    BulkAdmitted,
    CloseInvite,
    InviteAdmitted,
    InviteClosed,
    InviteEvent,
    InviteRow,
    InviterRegistered,
    RegisterInviter,
    RowCode,
    RowRefused,
    SendInvite,
    SendInvites,
)
from invites.state import DAY, Inviter, InviteRules

_WORDS: dict[RowCode, str] = {
    "already_invited": "you have invited this person already",
    "own_address": "this is your own address",
    "too_many_active": "too many of your invitations are open; revoke one, or wait for an answer",
    "too_many_today": "you have sent as many invitations as a day allows; try again tomorrow",
}


def register(
    inviter: Inviter | None, command: RegisterInviter, moment: DecisionContext
) -> list[InviteEvent]:
    if inviter is not None:
        return []
    return [
        InviterRegistered(member_id=command.member_id, email=command.email, registered_at=moment.at)
    ]


def send(
    inviter: Inviter | None, command: SendInvite, moment: DecisionContext, rules: InviteRules
) -> list[InviteEvent]:
    known = _known(inviter)
    row = InviteRow(email=command.email, note=command.note, locale=command.locale)
    if (code := _refusal(known, row, moment, rules)) is not None:
        raise Rejected(_WORDS[code], code=code)
    return [_admitted(known, command, row, 0, moment)]


def send_many(
    inviter: Inviter | None, command: SendInvites, moment: DecisionContext, rules: InviteRules
) -> list[InviteEvent]:
    known, events, refused = _known(inviter), list[InviteEvent](), list[RowRefused]()
    for number, row in enumerate(command.rows):
        if (code := _refusal(known, row, moment, rules)) is not None:
            refused.append(RowRefused(row=row.row, code=code))
            continue
        event = _admitted(known, command, row, number, moment)
        known = admit(known, event)
        events.append(event)
    told = BulkAdmitted(
        inviter_id=command.inviter_id,
        job_id=command.job_id,
        accepted=len(events),
        rejected=tuple(refused),
        admitted_at=moment.at,
    )
    return [*events, told]


def close(
    inviter: Inviter | None, command: CloseInvite, moment: DecisionContext
) -> list[InviteEvent]:
    if inviter is None or command.invite_id not in inviter.open.values():
        return []
    return [
        InviteClosed(
            inviter_id=command.inviter_id,
            invite_id=command.invite_id,
            ending=command.ending,
            closed_at=moment.at,
        )
    ]


def admit(inviter: Inviter, event: InviteAdmitted) -> Inviter:
    day, address = event.admitted_at // DAY, folded(event.email)
    return replace(
        inviter,
        open={**inviter.open, address: event.invite_id},
        addresses={**inviter.addresses, event.invite_id: address},
        day=day,
        today=inviter.sent_on(day) + 1,
    )


def closed(inviter: Inviter, event: InviteClosed) -> Inviter:
    address = inviter.addresses[event.invite_id]
    final = {address} if event.ending in ("accepted", "declined") else set[str]()
    return replace(
        inviter,
        open=_without(inviter.open.items(), address),
        addresses=_without(inviter.addresses.items(), event.invite_id),
        settled=inviter.settled | final,
    )


def _without(items: Iterable[tuple[str, str]], name: str) -> dict[str, str]:
    return {key: value for key, value in items if key != name}


def _known(inviter: Inviter | None) -> Inviter:
    if inviter is None:
        raise Rejected("open an account before inviting others", code="no_account")
    return inviter


def _refusal(
    inviter: Inviter, row: InviteRow, moment: DecisionContext, rules: InviteRules
) -> RowCode | None:
    address = folded(row.email)
    if address == folded(inviter.email):
        return "own_address"
    if address in inviter.open or address in inviter.settled:
        return "already_invited"
    if len(inviter.open) >= rules.active:
        return "too_many_active"
    if inviter.sent_on(moment.at // DAY) >= rules.per_day:
        return "too_many_today"
    return None


def _admitted(
    inviter: Inviter,
    command: SendInvite | SendInvites,
    row: InviteRow,
    number: int,
    moment: DecisionContext,
) -> InviteAdmitted:
    seed = b"%s\n%d" % (moment.entropy, number)
    return InviteAdmitted(
        inviter_id=command.inviter_id,
        inviter_email=inviter.email,
        invite_id=hashlib.sha256(seed).hexdigest()[:32],
        email=row.email,
        note=row.note,
        locale=row.locale,
        name=command.name,
        code=command.code,
        admitted_at=moment.at,
    )
