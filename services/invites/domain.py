"""Inviters: who may invite, and the invitations they ask for."""

from dataclasses import dataclass, replace
from typing import assert_never

from chassis.decider import Decider, Moment, Rejected
from contracts.invites import (
    InviteCommand,
    InviteEvent,
    InviterRegistered,
    RegisterInviter,
    SendInvite,
)


@dataclass(frozen=True, slots=True)
class Inviter:
    registered: bool = False


def decide(inviter: Inviter, command: InviteCommand, moment: Moment) -> list[InviteEvent]:
    match command:
        case RegisterInviter():
            return _register(inviter, command, moment)
        case SendInvite():
            return _send(inviter)
        case _:
            assert_never(command)


def evolve(inviter: Inviter, event: InviteEvent) -> Inviter:
    match event:
        case InviterRegistered():
            return replace(inviter, registered=True)
        case _:
            assert_never(event)


def _register(inviter: Inviter, command: RegisterInviter, moment: Moment) -> list[InviteEvent]:
    if inviter.registered:
        return []
    return [
        InviterRegistered(member_id=command.member_id, email=command.email, registered_at=moment.at)
    ]


def _send(inviter: Inviter) -> list[InviteEvent]:
    if not inviter.registered:
        raise Rejected("open an account before inviting others", code="no_account")
    raise Rejected(
        "invitations by e-mail are not sent yet; nothing was kept of this one",
        code="not_implemented",
        kind="not_implemented",
    )


INVITERS = Decider(Inviter(), decide, evolve)
