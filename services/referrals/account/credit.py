"""Decide on the credit that an account's owner has for joining by a referral (pure)."""

from chassis.decide.decider import DecisionContext
from contracts.referrals import (
    AccountEvent,
    CreditReferred,
    CreditWithdrawn,
    ReferredCredited,
    WithdrawCredit,
)
from referrals.account.state import NotOpened, OpenedAccount


def give(
    account: NotOpened | OpenedAccount, command: CreditReferred, context: DecisionContext
) -> list[AccountEvent]:
    """Credit the account's owner once, also before the account is open."""
    if account.credit is not None:
        return []
    return [
        ReferredCredited(
            member_id=command.member_id,
            referrer_id=command.referrer_id,
            use_id=command.use_id,
            credited_at=context.at,
        )
    ]


def withdraw(
    account: NotOpened | OpenedAccount, command: WithdrawCredit, context: DecisionContext
) -> list[AccountEvent]:
    """Withdraw the credit of this referral, if the account has it."""
    credit = account.credit
    if credit is None or credit.withdrawn or credit.use_id != command.use_id:
        return []
    return [
        CreditWithdrawn(
            member_id=command.member_id,
            use_id=command.use_id,
            credited_at=credit.credited_at,
            withdrawn_at=context.at,
        )
    ]
