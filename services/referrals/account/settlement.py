"""Apply changes that have become due before a command is decided (pure)."""

from functools import reduce
from typing import Final

from chassis.decide.decider import DecisionContext
from contracts.referrals import (
    ReferralConfirmed,
    ReferralExpired,
    ReferralHeld,
    ReferralRejected,
)
from referrals.account import status
from referrals.account.confirmation import after_delay
from referrals.account.policies import Policies
from referrals.account.state import OpenedAccount, with_referral

MAX_CONFIRMATIONS_PER_COMMIT: Final = 4
"""Limit of delayed referrals that one commit confirms.

The claims of each can turn out to be taken, which costs one more attempt at the command.
"""
MAX_EXPIRATIONS_PER_COMMIT: Final = 100
"""Limit of reservations that one commit expires.

The commit always fits into the log, and no fold of it blocks the event loop: each expiration copies
the open referrals, of which there may be two thousand.
"""

Settled = ReferralExpired | ReferralConfirmed | ReferralHeld | ReferralRejected


def settle(
    account: OpenedAccount, context: DecisionContext, policies: Policies, use_id: str = ""
) -> tuple[list[Settled], OpenedAccount]:
    """Expire overdue reservations and end overdue delays.

    Each is decided on the account as the one before has left it: two delayed referrals of one
    person that fall due together are not both confirmed. What exceeds the limits of a commit stays
    for the next one; the referral `use_id`, which a command is about, comes first.

    Returns:
        The events, and the account after them.
    """
    events: list[Settled] = [
        ReferralExpired(member_id=account.member_id, use_id=expired, expired_at=context.at)
        for expired in _overdue_reservations(account, context, use_id)
    ]
    account = reduce(with_referral, events, account)
    for ended, invited_id in _overdue_delays(account, context, use_id):
        event = after_delay(account, ended, invited_id, context, policies)
        events.append(event)
        account = with_referral(account, event)
    return events, account


def _overdue_reservations(
    account: OpenedAccount, context: DecisionContext, first: str
) -> list[str]:
    overdue = [
        use_id
        for use_id, referral in account.referrals.open.items()
        if isinstance(referral.status, status.Reserved) and referral.status.expires_at <= context.at
    ]
    return sorted(overdue, key=lambda use_id: use_id != first)[:MAX_EXPIRATIONS_PER_COMMIT]


def _overdue_delays(
    account: OpenedAccount, context: DecisionContext, first: str
) -> list[tuple[str, str]]:
    """Return (use id, invited person's id) of the delayed referrals to end now."""
    overdue = [
        (use_id, referral.status.invited_id)
        for use_id, referral in account.referrals.open.items()
        if isinstance(referral.status, status.Delayed) and referral.status.until <= context.at
    ]
    return sorted(overdue, key=lambda each: each[0] != first)[:MAX_CONFIRMATIONS_PER_COMMIT]
