"""Decide how many people an account may refer (pure)."""

from chassis.decide.decider import DecisionContext, Rejected
from contracts.referrals import AccountEvent, GrantQuota, QuotaGranted
from referrals.account.second_person import require_other_account
from referrals.account.state import OpenedAccount


def grant(
    account: OpenedAccount, command: GrantQuota, context: DecisionContext
) -> list[AccountEvent]:
    """Set the account's total; it cannot fall below the number of seats taken."""
    require_other_account(account, command.by)
    if command.total_referrals < account.seats_taken:
        raise Rejected(
            f"totalReferrals: Choose at least {account.seats_taken}, the number of referrals that "
            "are already reserved or confirmed.",
            code="quota_in_use",
        )
    if command.total_referrals == account.total_referrals:
        return []
    return [
        QuotaGranted(
            member_id=command.member_id,
            total_referrals=command.total_referrals,
            by=command.by,
            reason=command.reason,
            granted_at=context.at,
        )
    ]
