"""Represent an invitation in each of its phases (pure)."""

from dataclasses import dataclass, field
from typing import Literal

from chassis.decide.decider import Rejected
from contracts.invites import InviteRequested, SeatState
from contracts.rejections import UNKNOWN_INVITATION
from invites.invitation.mailing import Mailing


@dataclass(frozen=True, slots=True)
class Record:
    """Hold the data that an invitation has in all phases after its request."""

    request: InviteRequested
    expires_at: int
    mailing: Mailing = field(default_factory=Mailing)
    resends: int = 0
    last_resent_at: int = 0
    reminded: bool = False
    feedback: frozenset[str] = frozenset()
    """Ids of the feedback that is recorded already."""
    unwanted: bool = False
    """Whether a mail bounced permanently, or the recipient complained or unsubscribed."""
    unsubscribed: bool = False


@dataclass(frozen=True, slots=True)
class NotRequested:
    """Represent a stream without events."""

    phase: Literal["not_requested"] = "not_requested"


@dataclass(frozen=True, slots=True)
class Active:
    """Represent an invitation that waits for an answer."""

    record: Record
    phase: Literal["active"] = "active"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Represent an invitation that was accepted."""

    record: Record
    reservation_requested_at: int = 0
    """UNIX seconds of the latest request for a reservation."""
    phase: Literal["accepted"] = "accepted"
    seat: SeatState = "pending"
    """What became of the latest request."""
    attempts: int = 0
    """Number of requests since a seat was reserved last."""


@dataclass(frozen=True, slots=True)
class Declined:
    """Represent an invitation that was declined."""

    record: Record
    phase: Literal["declined"] = "declined"


@dataclass(frozen=True, slots=True)
class Revoked:
    """Represent an invitation that its inviter has withdrawn."""

    record: Record
    phase: Literal["revoked"] = "revoked"


@dataclass(frozen=True, slots=True)
class Expired:
    """Represent an invitation that was not answered in time; a resend makes it active again."""

    record: Record
    phase: Literal["expired"] = "expired"


Requested = Active | Accepted | Declined | Revoked | Expired
Invitation = NotRequested | Requested


def require_requested(invitation: Invitation) -> Requested:
    """Return the invitation.

    Raises:
        Rejected: the stream has no events (`not_found`).
    """
    if isinstance(invitation, NotRequested):
        raise not_found()
    return invitation


def not_found() -> Rejected:
    """Return the rejection of a command to an invitation that its sender cannot see."""
    return Rejected(
        UNKNOWN_INVITATION,
        code="not_found",
        kind="not_found",
    )
