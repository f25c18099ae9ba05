"""Define how many points an event earns, by versioned rules (pure).

To change the rules, add a row to `RULES` that applies from a given time. Points that were earned
earlier stay as they are; to recompute those as well, change the row itself and raise the versions
of the projections that use it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from contracts.referrals import (
    TEAM_PREFIX,
    CreditWithdrawn,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralHeld,
    ReferralRejected,
    ReferralReversed,
    ReferredCredited,
)


@dataclass(frozen=True, slots=True)
class PointRules:
    """Set how many points a referral earns."""

    version: int
    since: int
    """UNIX seconds from which the rules apply."""
    inviter: int
    """Points for the member who referred a person."""
    invited: int
    """Points for the person who was referred."""


RULES: Final = (PointRules(version=1, since=0, inviter=100, invited=10),)

PointEvent = ReferralConfirmed | ReferralReversed | ReferredCredited | CreditWithdrawn
"""Events that add or subtract points."""
PendingEvent = ReferralDelayed | ReferralHeld | ReferralRejected
"""Events that add points that may count later, or void them."""


def is_of_campaign(event: PointEvent | PendingEvent) -> bool:
    """Return whether an event belongs to a campaign, which earns no points and loses none.

    Older reversals do not say so themselves.
    """
    if isinstance(event, ReferralConfirmed | ReferralReversed) and event.team:
        return True
    return event.member_id.startswith(TEAM_PREFIX)


def rules_at(at: int) -> PointRules:
    """Return the rules that apply at this time (UNIX seconds)."""
    return next(rules for rules in reversed(RULES) if rules.since <= at)


def points_of(event: PointEvent, applying: Callable[[int], PointRules] | None = None) -> int:
    """Return the points that an event adds; what it takes back is negative.

    `applying` returns the rules for a time (UNIX seconds); default: the rules of that time. Points
    are taken back by the rules under which they were earned.
    """
    rules = applying or rules_at
    if is_of_campaign(event):
        return 0
    match event:
        case ReferralConfirmed():
            return rules(event.confirmed_at).inviter
        case ReferralReversed():
            return -rules(event.confirmed_at).inviter
        case ReferredCredited():
            return rules(event.credited_at).invited
        case CreditWithdrawn():
            return -rules(event.credited_at).invited
        case _:
            assert_never(event)


def counted_at(event: PointEvent) -> int:
    """Return when an event changed the points (UNIX seconds)."""
    match event:
        case ReferralConfirmed():
            return event.confirmed_at
        case ReferralReversed():
            return event.reversed_at
        case ReferredCredited():
            return event.credited_at
        case CreditWithdrawn():
            return event.withdrawn_at
        case _:
            assert_never(event)
