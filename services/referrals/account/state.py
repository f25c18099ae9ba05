"""Define the state of an account and evolve it with each event (pure).

An account passes through phases: `NotOpened`, then `Member` or `Campaign`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, assert_never

from contracts.referral_code import code_state
from contracts.referrals import (
    AccountEvent,
    AccountOpened,
    CampaignOpened,
    CodeBrought,
    CodeIssued,
    CodeRevoked,
    CreditWithdrawn,
    ProfileSet,
    QuotaGranted,
    ReferralExpired,
    ReferralReserved,
    ReferralStep,
    ReferredCredited,
    UseEvent,
)
from referrals.account import status
from referrals.account.lapses import Lapses
from referrals.account.referrals import Referral, Referrals


@dataclass(frozen=True, slots=True)
class Code:
    """Describe a referral code of the account."""

    max_uses: int | None
    expires_at: int | None
    revoked: bool = False
    uses: int = 0
    """Number of seats that are taken with it."""


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
    phase: Literal["not_opened"] = "not_opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Referrer:
    """Hold what members and campaigns have in common: a quota, codes and referrals.

    A seat is one of the account's `total_referrals`.
    """

    member_id: str
    opened_at: int
    total_referrals: int
    codes: Mapping[str, Code] = field(default_factory=dict)
    referrals: Referrals = field(default_factory=Referrals)
    lapses: Lapses = field(default_factory=Lapses)
    credit: Credit | None = None

    @property
    def seats_taken(self) -> int:
        """The number of referrals that take a seat; never more than `total_referrals`."""
        return self.referrals.seats_taken

    @property
    def seats_left(self) -> int:
        return self.total_referrals - self.seats_taken

    def can_use(self, code: str, at: int) -> bool:
        """Return whether one more person can use this code at this time."""
        known = self.codes.get(code)
        if known is None:
            return False
        return code_state(known, uses=known.uses, remaining=self.seats_left, at=at) == "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Referrer):
    """Represent the open account of a person."""

    email: str
    network: str | None
    """The network address of the sign-up."""
    display_name: str | None = None
    """The name that the member has chosen for the leaderboards."""
    on_boards: bool = True
    phase: Literal["member"] = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign(Referrer):
    """Represent the open account of a campaign, which belongs to the team and earns no points."""

    phase: Literal["campaign"] = "campaign"


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
        case ProfileSet():
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
        case ProfileSet():
            return _with_profile(account, event)
        case UseEvent():
            return with_referral(account, event)
        case AccountOpened() | CampaignOpened() | CodeBrought():
            return account
        case _:
            assert_never(event)


def _with_profile(account: OpenedAccount, event: ProfileSet) -> OpenedAccount:
    if not isinstance(account, Member):
        return account
    return replace(account, display_name=event.display_name, on_boards=event.on_boards)


def with_referral(account: OpenedAccount, event: ReferralStep) -> OpenedAccount:
    """Return the account after an event of one of its referrals."""
    before = account.referrals.detailed(event.use_id)
    if isinstance(event, ReferralReserved):
        after = Referral(
            code=event.code,
            invited_user=event.invited_user,
            network=event.network,
            reserved_at=event.reserved_at,
            status=status.Reserved(event.expires_at),
        )
    elif before is not None:
        after = replace(before, status=status.after(event))
    else:
        return account
    return replace(
        account,
        referrals=account.referrals.changed(event.use_id, after),
        codes=_with_uses(account.codes, before, after),
        lapses=_lapses_after(account.lapses, event),
    )


def _lapses_after(lapses: Lapses, event: ReferralStep) -> Lapses:
    return lapses.one_more(event.expired_at) if isinstance(event, ReferralExpired) else lapses


def _with_uses(
    codes: Mapping[str, Code], before: Referral | None, after: Referral
) -> Mapping[str, Code]:
    """Return the codes with the seats counted that a referral took before, and takes now."""
    freed = before.code if before is not None and before.status.takes_seat else None
    taken = after.code if after.status.takes_seat else None
    if freed == taken:
        return codes
    for code, change in ((freed, -1), (taken, 1)):
        if code is not None and (known := codes.get(code)) is not None:
            codes = {**codes, code: replace(known, uses=known.uses + change)}
    return codes


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
