"""Apply changes that have become due before a command is decided (pure)."""

from collections.abc import Iterator
from functools import reduce

from chassis.decide.decider import DecisionContext
from contracts.referrals import ReferralConfirmed, ReferralExpired, ReferralRejected
from referrals.account import status
from referrals.account.confirmation import after_delay
from referrals.account.state import OpenedAccount, with_referral

MAX_CONFIRMATIONS_PER_COMMIT = 4
"""Limit of delayed referrals that one commit confirms.

The claims of each can turn out to be taken, which costs one more attempt at the command.
"""

Settled = ReferralExpired | ReferralConfirmed | ReferralRejected


def settle(account: OpenedAccount, context: DecisionContext) -> tuple[list[Settled], OpenedAccount]:
    """Expire overdue reservations and end overdue delays.

    Returns:
        The events, and the account after them.
    """
    ended = list(_ended_delays(account, context))[:MAX_CONFIRMATIONS_PER_COMMIT]
    events = [*_expired_reservations(account, context), *ended]
    return events, reduce(with_referral, events, account)


def _expired_reservations(
    account: OpenedAccount, context: DecisionContext
) -> Iterator[ReferralExpired]:
    for use_id, referral in account.referrals.items():
        if (
            isinstance(referral.status, status.Reserved)
            and referral.status.expires_at <= context.at
        ):
            yield ReferralExpired(member_id=account.member_id, use_id=use_id, expired_at=context.at)


def _ended_delays(
    account: OpenedAccount, context: DecisionContext
) -> Iterator[ReferralConfirmed | ReferralRejected]:
    for use_id, referral in account.referrals.items():
        if isinstance(referral.status, status.Delayed) and referral.status.until <= context.at:
            yield after_delay(account, use_id, referral.status.invited_id, context)
