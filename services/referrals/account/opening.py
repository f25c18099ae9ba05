"""Decide on the opening of members' and campaigns' accounts (pure)."""

from chassis.decide.decider import DecisionContext, Rejected
from contracts import referral_code
from contracts.referrals import (
    DEFAULT_TOTAL_REFERRALS,
    TEAM_PREFIX,
    AccountEvent,
    AccountOpened,
    CampaignOpened,
    CodeBrought,
    CodeIssued,
    OpenAccount,
    OpenCampaign,
)
from referrals.account import codes
from referrals.account.state import Account, NotOpened


def open_account(
    account: Account, command: OpenAccount, context: DecisionContext
) -> list[AccountEvent]:
    """Open a member's account with a random code; note the code that the person joined by."""
    if command.member_id.startswith(TEAM_PREFIX):
        raise Rejected(
            f"sub: A member's id cannot begin with {TEAM_PREFIX!r}. Sign in as a person.",
            code="invalid_sub",
            kind="invalid",
        )
    if not isinstance(account, NotOpened):
        raise Rejected(
            "You already have an account. There is no need to open another one.",
            code="account_exists",
        )
    return [
        AccountOpened(
            member_id=command.member_id,
            email=command.email,
            total_referrals=DEFAULT_TOTAL_REFERRALS,
            opened_at=context.at,
            network=command.network,
        ),
        CodeIssued(
            member_id=command.member_id,
            code=referral_code.from_entropy(context.entropy),
            issued_at=context.at,
        ),
        *_code_to_redeem(command, context),
    ]


def _code_to_redeem(command: OpenAccount, context: DecisionContext) -> list[AccountEvent]:
    if command.referrer_id is None or command.referral_code is None:
        return []
    return [
        CodeBrought(
            member_id=command.member_id,
            referrer_id=command.referrer_id,
            code=command.referral_code,
            email=command.email,
            network=command.network,
            brought_at=context.at,
        )
    ]


def open_campaign(
    account: Account, command: OpenCampaign, context: DecisionContext, moderate: codes.Moderation
) -> list[AccountEvent]:
    """Open a campaign with a chosen or a random code."""
    if not command.member_id.startswith(TEAM_PREFIX):
        raise Rejected(
            f"id: A campaign's id begins with {TEAM_PREFIX!r}. Add this prefix.",
            code="invalid_id",
            kind="invalid",
        )
    if not isinstance(account, NotOpened):
        raise Rejected(
            "A campaign with this id already exists. Choose another id.", code="campaign_exists"
        )
    codes.require_future(command.expires_at, context)
    chosen = None if command.code is None else codes.choose(command.code, context, moderate)
    return [
        CampaignOpened(
            member_id=command.member_id,
            total_referrals=command.total_referrals,
            opened_at=context.at,
            by=command.by,
            reason=command.reason,
        ),
        CodeIssued(
            member_id=command.member_id,
            code=chosen or referral_code.from_entropy(context.entropy),
            issued_at=context.at,
            kind="vanity" if chosen else "random",
            shown=command.shown if chosen else None,
            expires_at=command.expires_at,
        ),
    ]
