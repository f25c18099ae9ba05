"""Decide on an account's commands, phase by phase (pure).

`settle` runs before every command that depends on seats, so that the decision is right however
late the message that announces the passing of time arrives.
"""

from collections.abc import Sequence
from typing import assert_never

from chassis.decide.decider import Decider, DecisionContext, Rejected
from contracts.referrals import (
    AccountCommand,
    AccountEvent,
    AccountOpened,
    ApproveReferral,
    CampaignOpened,
    ClearDisplayName,
    CodeBrought,
    CodeIssued,
    CodeRevoked,
    ConfirmReferral,
    CreditReferred,
    CreditWithdrawn,
    GrantQuota,
    IssueCode,
    OpenAccount,
    OpenCampaign,
    ProfileSet,
    QuotaGranted,
    RedeemReferral,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralExpired,
    ReferralHeld,
    ReferralRejected,
    ReferralReleased,
    ReferralReserved,
    ReferralReversed,
    ReferredCredited,
    RejectReferral,
    ReleaseReferral,
    ReserveReferral,
    ReverseReferral,
    RevokeCode,
    RotateCode,
    SetProfile,
    SettleReferrals,
    WithdrawCredit,
)
from contracts.rejections import UNKNOWN_ACCOUNT
from referrals.account import (
    codes,
    confirmation,
    credit,
    opening,
    profile,
    quota,
    reservation,
    review,
    uniqueness,
)
from referrals.account.policies import Policies
from referrals.account.settlement import settle
from referrals.account.state import Account, Campaign, Member, NotOpened, OpenedAccount, evolve

SeatCommand = (
    ReserveReferral
    | ReleaseReferral
    | RedeemReferral
    | ConfirmReferral
    | ApproveReferral
    | RejectReferral
    | ReverseReferral
    | GrantQuota
)


def account_decider(
    policies: Policies,
) -> Decider[Account, AccountCommand, AccountEvent]:
    """Return the decider of accounts under these policies."""

    def decide(
        account: Account, command: AccountCommand, context: DecisionContext
    ) -> list[AccountEvent]:
        match account:
            case NotOpened():
                return _before_opening(account, command, context, policies)
            case Member() | Campaign():
                return _once_opened(account, command, context, policies)
            case _:
                assert_never(account)

    def requires_unclaimed(
        account: Account, events: Sequence[AccountEvent], context: DecisionContext
    ) -> Sequence[str]:
        return uniqueness.requires_unclaimed(account, events, context, policies.ids)

    return Decider(NotOpened(), decide, evolve, claims, requires_unclaimed)


def _before_opening(
    account: NotOpened, command: AccountCommand, context: DecisionContext, policies: Policies
) -> list[AccountEvent]:
    match command:
        case OpenAccount():
            return opening.open_account(account, command, context)
        case OpenCampaign():
            return opening.open_campaign(account, command, context, policies.moderate)
        case CreditReferred():
            return credit.give(account, command, context)
        case WithdrawCredit():
            return credit.withdraw(account, command, context)
        case SettleReferrals():
            return []
        case IssueCode() | SetProfile():
            raise Rejected(
                "You do not have an account yet. Create one first.",
                code="no_account",
                kind="not_found",
            )
        case GrantQuota() | ClearDisplayName():
            raise Rejected(
                UNKNOWN_ACCOUNT,
                code="no_account",
                kind="not_found",
            )
        case RotateCode() | RevokeCode():
            raise codes.unknown_code()
        case ReserveReferral() | RedeemReferral():
            raise reservation.not_usable()
        case (
            ReleaseReferral()
            | ConfirmReferral()
            | ApproveReferral()
            | RejectReferral()
            | ReverseReferral()
        ):
            raise reservation.unknown_referral()
        case _:
            assert_never(command)


def _once_opened(
    account: OpenedAccount, command: AccountCommand, context: DecisionContext, policies: Policies
) -> list[AccountEvent]:
    match command:
        case OpenAccount():
            return opening.open_account(account, command, context)
        case OpenCampaign():
            return opening.open_campaign(account, command, context, policies.moderate)
        case CreditReferred():
            return credit.give(account, command, context)
        case WithdrawCredit():
            return credit.withdraw(account, command, context)
        case IssueCode():
            return codes.issue(account, command, context, policies.moderate)
        case RotateCode():
            return codes.rotate(account, command, context)
        case RevokeCode():
            return codes.revoke(account, command, context)
        case SetProfile():
            return profile.set_profile(account, command, context)
        case ClearDisplayName():
            return profile.clear_display_name(account, command, context)
        case SettleReferrals():
            return [*settle(account, context, policies)[0]]
        case (
            ReserveReferral()
            | ReleaseReferral()
            | RedeemReferral()
            | ConfirmReferral()
            | ApproveReferral()
            | RejectReferral()
            | ReverseReferral()
            | GrantQuota()
        ):
            use_id = _use_of(account, command, policies)
            settled, current = settle(account, context, policies, use_id)
            return [*settled, *_on_seats(current, command, context, policies)]
        case _:
            assert_never(command)


def _use_of(account: OpenedAccount, command: SeatCommand, policies: Policies) -> str:
    """Return the id of the use that a command is about; empty if it is about all."""
    if isinstance(command, GrantQuota):
        return ""
    if isinstance(command, ReserveReferral | RedeemReferral):
        return reservation.known_use(account, command.invited_user, policies.ids)
    return command.use_id


def _on_seats(
    account: OpenedAccount, command: SeatCommand, context: DecisionContext, policies: Policies
) -> Sequence[AccountEvent]:
    match command:
        case ReserveReferral():
            return reservation.reserve(account, command, context, policies.ids)
        case ReleaseReferral():
            return reservation.release(account, command, context)
        case RedeemReferral():
            return confirmation.redeem(account, command, context, policies)
        case ConfirmReferral():
            return confirmation.confirm(account, command, context, policies)
        case ApproveReferral():
            return review.approve(account, command, context, policies.ids)
        case RejectReferral():
            return review.reject(account, command, context)
        case ReverseReferral():
            return review.reverse(account, command, context)
        case GrantQuota():
            return quota.grant(account, command, context)
        case _:
            assert_never(command)


def claims(event: AccountEvent) -> tuple[str, ...]:
    """Return the names that an event claims for this account, unique across all accounts."""
    match event:
        case CodeIssued():
            return (codes.claim(event.code),)
        case ReferralConfirmed():
            return uniqueness.claims(event)
        case (
            AccountOpened()
            | CampaignOpened()
            | CodeBrought()
            | CodeRevoked()
            | QuotaGranted()
            | ReferralReserved()
            | ReferralDelayed()
            | ReferralHeld()
            | ReferralRejected()
            | ReferralReleased()
            | ReferralExpired()
            | ReferralReversed()
            | ReferredCredited()
            | CreditWithdrawn()
            | ProfileSet()
        ):
            return ()
        case _:
            assert_never(event)
