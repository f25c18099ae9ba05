"""Define the state of an account and evolve it with each event (pure).

An account passes through phases: `NotOpened`, then `Member` or `Campaign`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from contracts.referral_code import code_state
from contracts.referrals import (
    AccountEvent,
    AccountOpened,
    CampaignOpened,
    CodeBrought,
    CodeIssued,
    CodeRevoked,
    CreditWithdrawn,
    QuotaGranted,
    ReferralReserved,
    ReferralStep,
    ReferredCredited,
    UseEvent,
)
from referrals.account import status
from referrals.account.status import ReferralStatus


@dataclass(frozen=True, slots=True)
class Code:
    """Describe a referral code of the account."""

    max_uses: int | None
    expires_at: int | None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Referral:
    """Describe one person's use of one of the account's codes."""

    code: str
    invited_user: str
    network: str | None
    reserved_at: int
    status: ReferralStatus


@dataclass(frozen=True, slots=True)
class Credit:
    """Describe the referral by which the account's owner joined."""

    referrer_id: str
    use_id: str
    credited_at: int
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class NotOpened:
    """Represent an account before its opening; a credit can arrive earlier than the opening."""

    credit: Credit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Referrer:
    """Hold what members and campaigns have in common: a quota, codes and referrals.

    A seat is one of the account's `total_referrals`.
    """

    member_id: str
    opened_at: int
    total_referrals: int
    codes: Mapping[str, Code] = field(default_factory=dict)
    referrals: Mapping[str, Referral] = field(default_factory=dict)
    """Use id -> referral."""
    credit: Credit | None = None

    @property
    def seats_taken(self) -> int:
        """The number of referrals that take a seat; never more than `total_referrals`."""
        return sum(referral.status.takes_seat for referral in self.referrals.values())

    @property
    def seats_left(self) -> int:
        return self.total_referrals - self.seats_taken

    def can_use(self, code: str, at: int) -> bool:
        """Return whether one more person can use this code at this time."""
        known = self.codes.get(code)
        if known is None:
            return False
        state = code_state(known, uses=self.uses_of(code), remaining=self.seats_left, at=at)
        return state == "active"

    def uses_of(self, code: str) -> int:
        """Return how many seats have been taken with this code."""
        return sum(
            referral.status.takes_seat
            for referral in self.referrals.values()
            if referral.code == code
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Referrer):
    """Represent the open account of a person."""

    email: str
    network: str | None
    """The network address of the sign-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign(Referrer):
    """Represent the open account of a campaign, which belongs to the team and earns no points."""


OpenedAccount = Member | Campaign
Account = NotOpened | Member | Campaign

# Evolve


def evolve(account: Account, event: AccountEvent) -> Account:
    """Return the account after this event; an event that does not fit the phase is ignored."""
    match account:
        case NotOpened():
            return _evolve_not_opened(account, event)
        case Member() | Campaign():
            return _evolve_opened(account, event)
        case _:
            assert_never(account)


def _evolve_not_opened(account: NotOpened, event: AccountEvent) -> Account:
    match event:
        case AccountOpened():
            return Member(
                member_id=event.member_id,
                opened_at=event.opened_at,
                total_referrals=event.total_referrals,
                credit=account.credit,
                email=event.email,
                network=event.network,
            )
        case CampaignOpened():
            return Campaign(
                member_id=event.member_id,
                opened_at=event.opened_at,
                total_referrals=event.total_referrals,
                credit=account.credit,
            )
        case ReferredCredited() | CreditWithdrawn():
            return NotOpened(_evolve_credit(account.credit, event))
        case CodeBrought() | CodeIssued() | CodeRevoked() | QuotaGranted() | UseEvent():
            return account
        case _:
            assert_never(event)


def _evolve_opened(account: OpenedAccount, event: AccountEvent) -> Account:
    match event:
        case CodeIssued():
            code = Code(event.max_uses, event.expires_at)
            return replace(account, codes={**account.codes, event.code: code})
        case CodeRevoked():
            return _with_code_revoked(account, event.code)
        case QuotaGranted():
            return replace(account, total_referrals=event.total_referrals)
        case ReferredCredited() | CreditWithdrawn():
            return replace(account, credit=_evolve_credit(account.credit, event))
        case UseEvent():
            return with_referral(account, event)
        case AccountOpened() | CampaignOpened() | CodeBrought():
            return account
        case _:
            assert_never(event)


def with_referral(account: OpenedAccount, event: ReferralStep) -> OpenedAccount:
    """Return the account after an event of one of its referrals."""
    if isinstance(event, ReferralReserved):
        referral = Referral(
            code=event.code,
            invited_user=event.invited_user,
            network=event.network,
            reserved_at=event.reserved_at,
            status=status.Reserved(event.expires_at),
        )
    elif (known := account.referrals.get(event.use_id)) is not None:
        referral = replace(known, status=status.after(event))
    else:
        return account
    return replace(account, referrals={**account.referrals, event.use_id: referral})


def _with_code_revoked(account: OpenedAccount, code: str) -> OpenedAccount:
    known = account.codes.get(code)
    if known is None:
        return account
    return replace(account, codes={**account.codes, code: replace(known, revoked=True)})


def _evolve_credit(
    credit: Credit | None, event: ReferredCredited | CreditWithdrawn
) -> Credit | None:
    match event:
        case ReferredCredited():
            return Credit(event.referrer_id, event.use_id, event.credited_at)
        case CreditWithdrawn():
            return credit and replace(credit, withdrawn=True)
        case _:
            assert_never(event)
