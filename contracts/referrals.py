"""What is said to and by the referrals service: members and their codes."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.messages import (
    Command,
    EmailAddress,
    Event,
    Identifier,
    KnownAddress,
    UnixTime,
    View,
)
from contracts.referral_code import ShownReferralCode, StoredReferralCode

DEFAULT_TOTAL_REFERRALS = 10


class OpenAccount(Command):
    """Open a member's account and issue its referral code (`create_user`)."""

    type: Literal["OpenAccount"] = "OpenAccount"
    member_id: Identifier
    email: EmailAddress

    @property
    def stream(self) -> str:
        return f"member-{self.member_id}"


ReferralCommand = OpenAccount


class AccountOpened(Event):
    type: Literal["AccountOpened"] = "AccountOpened"
    member_id: Identifier
    email: KnownAddress
    total_referrals: Annotated[int, Field(ge=0)]
    opened_at: UnixTime


class CodeIssued(Event):
    type: Literal["CodeIssued"] = "CodeIssued"
    member_id: Identifier
    code: StoredReferralCode
    issued_at: UnixTime


ReferralEvent = Annotated[AccountOpened | CodeIssued, Field(discriminator="type")]


class Referral(View):
    """One invited person in a member's entry."""

    invited_user: str
    timestamp: UnixTime
    confirmed: bool


class UsersEntry(View):
    """A member as the member sees it.

    used + pending + remaining = total, and a referral is valid while something remains.
    """

    user: KnownAddress
    referral_code: ShownReferralCode | None = None
    referrals: tuple[Referral, ...] = ()
    total_referrals: int
    referrals_used: int
    referrals_pending: int
    referrals_remaining: int
    referral_is_valid: bool


class ReferralValidity(View):
    """Whether a code can be used now: the same answer for unknown, spent and revoked codes."""

    valid: bool
