"""Find who referred the members above a referrer, so that rings of referrals are detected (pure).

A referrer's stream knows who referred its owner, once the credit has arrived. Everything else
follows from the claims: a person's claim is held by the stream of the person's referrer. A decision
requires that the claim on the last known member is free, or it is made again with its holder. So
people who refer each other at the same moment are detected, too: one of them decides last.
"""

from typing import Final

from chassis.decide.decider import DecisionContext
from contracts.referrals import TEAM_PREFIX
from contracts.streams import MEMBERS
from referrals.account.claims import person_claim
from referrals.account.state import OpenedAccount

LONGEST_RING: Final = 4
"""Number of members in the longest ring that is looked for; each costs up to one more attempt."""


def upline(account: OpenedAccount, context: DecisionContext) -> tuple[str, ...]:
    """Return who referred the account's owner, who referred that member, and so on.

    It ends with a member whose referrer is not known, with a campaign, or where a ring could not
    be longer.
    """
    known: list[str] = []
    person = account.member_id
    while len(known) < LONGEST_RING - 1 and not person.startswith(TEAM_PREFIX):
        referrer = _referrer(person, account, context)
        if referrer is None or referrer in known:
            break
        known.append(referrer)
        person = referrer
    return tuple(known)


def required_claims(account: OpenedAccount, context: DecisionContext) -> tuple[str, ...]:
    """Return the claim that has to be free for the upline to be complete."""
    known = upline(account, context)
    last = known[-1] if known else account.member_id
    if len(known) == LONGEST_RING - 1 or last.startswith(TEAM_PREFIX):
        return ()
    claim = person_claim(last)
    return () if claim in context.taken else (claim,)


def _referrer(person: str, account: OpenedAccount, context: DecisionContext) -> str | None:
    if person == account.member_id and account.credit is not None:
        return account.credit.referrer_id
    holder = context.holders.get(person_claim(person))
    return None if holder is None else MEMBERS.key(holder)
