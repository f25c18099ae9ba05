"""Admit the invitations of one member, within limits: the aggregate of `inviter-…` (pure)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Literal, assert_never

from chassis.decide.decider import Decider, DecisionContext, Rejected
from contracts.addresses import folded
from contracts.invites import (
    BulkAdmitted,
    CloseInvite,
    InviteAdmitted,
    InviteClosed,
    InviterCommand,
    InviterEvent,
    InviteRow,
    InviterRegistered,
    RegisterInviter,
    RowCode,
    RowRefused,
    SendInvite,
    SendInvites,
)
from invites.answered import Answered
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
REMEMBERED_REVOCATIONS: Final = 1_000
"""People whose revoked invitations are remembered, the newest: five days at the daily limit."""

# State


@dataclass(frozen=True, slots=True)
class NotRegistered:
    """Represent a member whose account this service does not know: they cannot invite yet."""

    phase: Literal["not_registered"] = "not_registered"


@dataclass(frozen=True, slots=True)
class Registered:
    """Represent a member who may invite others."""

    member_id: str
    email: str
    open: Mapping[str, str] = field(default_factory=dict)
    """Folded address -> id of the open invitation to it."""
    answered: Answered = field(default_factory=Answered)
    """Addresses that accepted or declined: they are not invited again."""
    revoked: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Folded address -> UNIX seconds of the latest revocations, the oldest first."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Id of an open invitation -> folded address."""
    day: int = 0
    """Day of the latest invitation, in days since the UNIX epoch."""
    admitted_that_day: int = 0
    phase: Literal["registered"] = "registered"

    def admitted_on(self, day: int) -> int:
        """Return how many invitations were admitted on that day."""
        return self.admitted_that_day if day == self.day else 0


Inviter = NotRegistered | Registered

# Evolve


def evolve(inviter: Inviter, event: InviterEvent) -> Inviter:
    match event:
        case InviterRegistered():
            return Registered(event.member_id, event.email)
        case InviteAdmitted():
            return inviter if isinstance(inviter, NotRegistered) else _admit(inviter, event)
        case InviteClosed():
            return inviter if isinstance(inviter, NotRegistered) else _close(inviter, event)
        case BulkAdmitted():
            return inviter
        case _:
            assert_never(event)


def _admit(inviter: Registered, event: InviteAdmitted) -> Registered:
    day, address = event.admitted_at // DAY, folded(event.email)
    return replace(
        inviter,
        open={**inviter.open, address: event.invite_id},
        addresses={**inviter.addresses, event.invite_id: address},
        day=day,
        admitted_that_day=inviter.admitted_on(day) + 1,
    )


def _close(inviter: Registered, event: InviteClosed) -> Registered:
    address = inviter.addresses.get(event.invite_id)
    if address is None:
        return inviter
    answered = inviter.answered
    if event.ending in ("accepted", "declined"):
        answered = answered.with_address(address)
    return replace(
        inviter,
        open=_without(inviter.open, address),
        addresses=_without(inviter.addresses, event.invite_id),
        answered=answered,
        revoked=_revoke(inviter.revoked, address, event),
    )


def _revoke(
    revoked: Mapping[str, tuple[int, ...]], address: str, event: InviteClosed
) -> Mapping[str, tuple[int, ...]]:
    """Add a revocation, and forget those that count no more."""
    if event.ending != "revoked":
        return revoked
    since = event.closed_at - RULES.revocation_window
    counted = [(name, times) for name, times in revoked.items() if times[-1] > since]
    others = [each for each in counted if each[0] != address][-REMEMBERED_REVOCATIONS + 1 :]
    times = (*revoked.get(address, ()), event.closed_at)[-RULES.revocations :]
    return {**dict(others), address: times}


def _without(entries: Mapping[str, str], key: str) -> dict[str, str]:
    return {name: value for name, value in entries.items() if name != key}


# Decide


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
        inviter = _admit(inviter, event)
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
