"""Ensure that a person and an address are referred once, by one account (pure)."""

from collections.abc import Sequence

from chassis.decide.decider import DecisionContext
from contracts.referral_ids import ReferralIds
from contracts.referrals import AccountEvent, ReferralConfirmed, UseEvent
from referrals.account import rings
from referrals.account.claims import address_claim, person_claim
from referrals.account.state import Account, OpenedAccount, with_referral


def claims(event: ReferralConfirmed) -> tuple[str, ...]:
    """Return the claims on the person and on the address: the first confirmation wins both."""
    return (person_claim(event.invited_id), address_claim(event.address_digest))


def requires_unclaimed(
    account: Account,
    events: Sequence[AccountEvent],
    context: DecisionContext,
    ids: ReferralIds,
) -> list[str]:
    """Return the claims that must be free for the confirmations among these events to be right.

    The address must not have been claimed by an earlier digest, and no referral is known that
    would close a ring, unless an administrator has approved the referral.
    """
    if not isinstance(account, OpenedAccount):
        return []
    required: list[str] = []
    state: OpenedAccount = account
    for event in events:
        if isinstance(event, ReferralConfirmed):
            earlier = ids.earlier_address_digests(state.referrals.open[event.use_id].invited_user)
            required += map(address_claim, earlier)
            if event.by is None:
                required += rings.required_claims(account, context)
        if isinstance(event, UseEvent):
            state = with_referral(state, event)
    return required


def is_referred_elsewhere(
    account: OpenedAccount,
    use_id: str,
    invited_id: str,
    context: DecisionContext,
    ids: ReferralIds,
) -> bool:
    """Return whether the person has been referred by another account or with another address."""
    address = account.referrals.open[use_id].invited_user
    digests = (ids.address_digest(address), *ids.earlier_address_digests(address))
    if not context.taken.isdisjoint({person_claim(invited_id), *map(address_claim, digests)}):
        return True
    return account.referrals.has_referred(invited_id)
