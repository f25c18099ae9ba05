"""Define the status of a referral and derive it from each event (pure).

`takes_seat` says whether a referral in this status counts against the account's total, for now or
for good.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, assert_never

from contracts.referrals import (
    ReferralConfirmed,
    ReferralDelayed,
    ReferralExpired,
    ReferralHeld,
    ReferralRejected,
    ReferralReleased,
    ReferralResult,
    ReferralReversed,
)


@dataclass(frozen=True, slots=True)
class Reserved:
    """Represent a seat that is reserved until a deadline (UNIX seconds)."""

    takes_seat: ClassVar[bool] = True
    expires_at: int
    name: Literal["reserved"] = "reserved"


@dataclass(frozen=True, slots=True)
class Delayed:
    """Represent a sign-up that is confirmed at `until` (UNIX seconds) unless it is rejected."""

    takes_seat: ClassVar[bool] = True
    invited_id: str
    until: int
    name: Literal["delayed"] = "delayed"


@dataclass(frozen=True, slots=True)
class Held:
    """Represent a sign-up that an administrator has to review."""

    takes_seat: ClassVar[bool] = True
    invited_id: str
    name: Literal["held"] = "held"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Represent a referral that counts; time in UNIX seconds."""

    takes_seat: ClassVar[bool] = True
    invited_id: str
    confirmed_at: int
    name: Literal["confirmed"] = "confirmed"


@dataclass(frozen=True, slots=True)
class Rejected:
    """Represent a sign-up that does not count; the seat is free again."""

    takes_seat: ClassVar[bool] = False
    invited_id: str
    name: Literal["rejected"] = "rejected"


@dataclass(frozen=True, slots=True)
class Reversed:
    """Represent a referral that was confirmed and does not count any more."""

    takes_seat: ClassVar[bool] = False
    invited_id: str
    name: Literal["reversed"] = "reversed"


@dataclass(frozen=True, slots=True)
class Released:
    """Represent a reservation that was given up."""

    takes_seat: ClassVar[bool] = False
    name: Literal["released"] = "released"


@dataclass(frozen=True, slots=True)
class Expired:
    """Represent a reservation that was not confirmed in time."""

    takes_seat: ClassVar[bool] = False
    name: Literal["expired"] = "expired"


ReferralStatus = Reserved | Delayed | Held | Confirmed | Rejected | Reversed | Released | Expired


def after(event: ReferralResult) -> ReferralStatus:
    """Return the status of a referral after this event."""
    match event:
        case ReferralDelayed():
            return Delayed(event.invited_id, event.until)
        case ReferralHeld():
            return Held(event.invited_id)
        case ReferralConfirmed():
            return Confirmed(event.invited_id, event.confirmed_at)
        case ReferralRejected():
            return Rejected(event.invited_id)
        case ReferralReleased():
            return Released()
        case ReferralExpired():
            return Expired()
        case ReferralReversed():
            return Reversed(event.invited_id)
        case _:
            assert_never(event)
