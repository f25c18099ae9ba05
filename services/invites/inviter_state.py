"""Represent a member who invites others, and apply the events of `inviter-…` (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, assert_never

from contracts.addresses import folded
from contracts.invites import (
    BulkAdmitted,
    InviteAdmitted,
    InviteClosed,
    InviteeReleased,
    InviterEvent,
    InviterRegistered,
)
from invites.answered import Answered
from invites.rules import DAY, RULES

REMEMBERED_REVOCATIONS: Final = 1_000
"""People whose revoked invitations are remembered, the newest: five days at the daily limit."""


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


def evolve(inviter: Inviter, event: InviterEvent) -> Inviter:
    match event:
        case InviterRegistered():
            return Registered(event.member_id, event.email)
        case InviteAdmitted():
            return inviter if isinstance(inviter, NotRegistered) else admit(inviter, event)
        case InviteClosed():
            return inviter if isinstance(inviter, NotRegistered) else _close(inviter, event)
        case InviteeReleased():
            return inviter if isinstance(inviter, NotRegistered) else _release(inviter, event)
        case BulkAdmitted():
            return inviter
        case _:
            assert_never(event)


def admit(inviter: Registered, event: InviteAdmitted) -> Registered:
    """Return the inviter after an invitation was admitted."""
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


def _release(inviter: Registered, event: InviteeReleased) -> Registered:
    return replace(inviter, answered=inviter.answered.without_address(folded(event.email)))


def _without(entries: Mapping[str, str], key: str) -> dict[str, str]:
    return {name: value for name, value in entries.items() if name != key}
