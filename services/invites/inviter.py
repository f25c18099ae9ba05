"""Decide which invitations of a member are admitted, within limits (pure)."""

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Final, assert_never

from chassis.decide.decider import Decider, DecisionContext, Rejected
from contracts.addresses import folded
from contracts.invites import (
    BulkAdmitted,
    CloseInvite,
    InviteAdmitted,
    InviteClosed,
    InviteeReleased,
    InviterCommand,
    InviterEvent,
    InviteRow,
    InviterRegistered,
    RegisterInviter,
    ReleaseInvitee,
    RowCode,
    RowRefused,
    SendInvite,
    SendInvites,
)
from invites.inviter_state import Inviter, NotRegistered, Registered, admit, evolve
from invites.rules import DAY, RULES, InviteRules

_REJECTIONS: Final[Mapping[RowCode, str]] = {
    "already_invited": (
        "You have already invited this person. Look for them in your list of invitations."
    ),
    "invited_often": (
        "You have invited this person twice lately and taken both invitations back. "
        "Wait two weeks before you invite them again."
    ),
    "own_address": (
        "This is your own address. Enter the address of the person that you want to invite."
    ),
    "too_many_active": ("You have too many open invitations. Revoke one, or wait for a reply."),
    "too_many_today": "You have sent as many invitations as a day allows. Try again tomorrow.",
}


def decide(
    rules: InviteRules, inviter: Inviter, command: InviterCommand, context: DecisionContext
) -> list[InviterEvent]:
    match command:
        case RegisterInviter():
            return register(inviter, command, context)
        case SendInvite():
            return send(_with_seat(inviter, command), command, context, rules)
        case SendInvites():
            return send_many(_with_seat(inviter, command), command, context, rules)
        case CloseInvite():
            return close(inviter, command, context)
        case ReleaseInvitee():
            return release(inviter, command, context)
        case _:
            assert_never(command)


def register(
    inviter: Inviter, command: RegisterInviter, context: DecisionContext
) -> list[InviterEvent]:
    if isinstance(inviter, Registered):
        return []
    return [
        InviterRegistered(
            member_id=command.member_id, email=command.email, registered_at=context.at
        )
    ]


def send(
    inviter: Registered, command: SendInvite, context: DecisionContext, rules: InviteRules
) -> list[InviterEvent]:
    row = InviteRow(email=command.email, note=command.note, locale=command.locale)
    if (code := _rejection(inviter, row, context, rules)) is not None:
        raise Rejected(_REJECTIONS[code], code=code)
    return [_admitted(inviter, command, row, 0, context)]


def send_many(
    inviter: Registered, command: SendInvites, context: DecisionContext, rules: InviteRules
) -> list[InviterEvent]:
    """Admit or reject each row on its own, and report the rejected ones in one event."""
    admitted, rejected = list[InviterEvent](), list[RowRefused]()
    for number, row in enumerate(command.rows):
        if (code := _rejection(inviter, row, context, rules)) is not None:
            rejected.append(RowRefused(row=row.row, code=code))
            continue
        event = _admitted(inviter, command, row, number, context)
        inviter = admit(inviter, event)
        admitted.append(event)
    result = BulkAdmitted(
        inviter_id=command.inviter_id,
        job_id=command.job_id,
        accepted=len(admitted),
        rejected=tuple(rejected),
        admitted_at=context.at,
    )
    return [*admitted, result]


def close(inviter: Inviter, command: CloseInvite, context: DecisionContext) -> list[InviterEvent]:
    if isinstance(inviter, NotRegistered) or command.invite_id not in inviter.open.values():
        return []
    return [
        InviteClosed(
            inviter_id=command.inviter_id,
            invite_id=command.invite_id,
            ending=command.ending,
            closed_at=context.at,
        )
    ]


def release(
    inviter: Inviter, command: ReleaseInvitee, context: DecisionContext
) -> list[InviterEvent]:
    """Let the person be invited again, unless that was done already."""
    if isinstance(inviter, NotRegistered) or folded(command.email) not in inviter.answered:
        return []
    return [
        InviteeReleased(
            inviter_id=command.inviter_id,
            invite_id=command.invite_id,
            email=command.email,
            released_at=context.at,
        )
    ]


def _with_seat(inviter: Inviter, command: SendInvite | SendInvites) -> Registered:
    """Return the inviter if there is a seat to offer.

    Raises:
        Rejected: there is no account, or none of its codes can be used.
    """
    if isinstance(inviter, NotRegistered):
        raise Rejected(
            "You need an account to invite others. Open one first.",
            code="no_account",
            kind="not_found",
        )
    if command.no_code:
        raise Rejected(
            "None of your referral codes can be used, or you have no seats left.", code="no_code"
        )
    return inviter


def _rejection(
    inviter: Registered, row: InviteRow, context: DecisionContext, rules: InviteRules
) -> RowCode | None:
    address = folded(row.email)
    if address == folded(inviter.email):
        return "own_address"
    if address in inviter.open or address in inviter.answered:
        return "already_invited"
    since = context.at - rules.revocation_window
    if sum(at > since for at in inviter.revoked.get(address, ())) >= rules.revocations:
        return "invited_often"
    if len(inviter.open) >= rules.active:
        return "too_many_active"
    if inviter.admitted_on(context.at // DAY) >= rules.per_day:
        return "too_many_today"
    return None


def _admitted(
    inviter: Registered,
    command: SendInvite | SendInvites,
    row: InviteRow,
    number: int,
    context: DecisionContext,
) -> InviteAdmitted:
    seed = b"%s\n%d" % (context.entropy, number)
    return InviteAdmitted(
        inviter_id=command.inviter_id,
        inviter_email=inviter.email,
        invite_id=hashlib.sha256(seed).hexdigest()[:32],
        email=row.email,
        note=row.note,
        locale=row.locale,
        name=command.name,
        code=command.code,
        admitted_at=context.at,
    )


def decider(rules: InviteRules = RULES) -> Decider[Inviter, InviterCommand, InviterEvent]:
    """Return the aggregate under these rules."""
    return Decider(NotRegistered(), partial(decide, rules), evolve)


INVITERS: Final = decider()
