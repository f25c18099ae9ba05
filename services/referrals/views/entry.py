"""Change the entry that shows a member their account (pure).

The first referrals are part of the entry. Once they are `INLINE_REFERRALS`, new ones are items of
a list, so that an event costs the same however many seats an account has.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from chassis.views.projection import ListState
from contracts.addresses import masked
from contracts.referral_code import normalise, shown
from contracts.referrals import (
    INLINE_REFERRALS,
    MORE_REFERRALS,
    AccountOpened,
    CodeIssued,
    CodeRevoked,
    MoreReferrals,
    NumberedReferral,
    ProfileSet,
    QuotaGranted,
    Referral,
    ReferralConfirmed,
    ReferralEvent,
    ReferralReserved,
    ReferralStep,
    StoredAccount,
)

State = ListState[StoredAccount, NumberedReferral]


def touched(event: ReferralEvent) -> Iterable[str]:
    """Return the id of the referral that an event is about."""
    return (event.use_id,) if isinstance(event, ReferralStep) else ()


def scores(referral: NumberedReferral) -> Mapping[str, float]:
    """Return the place of a referral that is an item: after those that were added before."""
    return {MORE_REFERRALS: referral.number}


def opened(event: AccountOpened) -> StoredAccount:
    """Return the entry of a new account, which has no code yet."""
    return StoredAccount(
        user=event.email,
        total_referrals=event.total_referrals,
        referrals_used=0,
        referrals_pending=0,
        referrals_remaining=event.total_referrals,
        referral_is_valid=False,
    )


def with_code(entry: StoredAccount, event: CodeIssued) -> StoredAccount:
    """Return the entry with one more code."""
    return _changed(entry, codes=(*entry.codes, event.shown or shown(event.code)))


def without_code(entry: StoredAccount, event: CodeRevoked) -> StoredAccount:
    """Return the entry without a revoked code."""
    active = tuple(code for code in entry.codes if normalise(code) != event.code)
    return _changed(entry, codes=active)


def with_total(entry: StoredAccount, event: QuotaGranted) -> StoredAccount:
    """Return the entry with another total of referrals."""
    return _changed(entry, total_referrals=event.total_referrals)


def with_profile(entry: StoredAccount, event: ProfileSet) -> StoredAccount:
    """Return the entry with what others see of the member on the leaderboards."""
    return _changed(entry, display_name=event.display_name, on_boards=event.on_boards)


def with_referral(entry: StoredAccount, state: State, event: ReferralReserved) -> State:
    """Add a reserved referral, which replaces an earlier one of this person."""
    entry = without_referral(entry, state, event.use_id).summary or entry
    referral = Referral(
        invited_user=masked(event.invited_user),
        timestamp=event.reserved_at,
        confirmed=False,
        use_id=event.use_id,
    )
    more = entry.more
    if more is None and len(entry.referrals) < INLINE_REFERRALS:
        return ListState(_changed(entry, referrals=(*entry.referrals, referral)), {})
    more = more or MoreReferrals()
    item = NumberedReferral(**referral.model_dump(by_alias=False), number=more.added)
    return _with_more(entry, more, item, pending=1, added=1)


def with_confirmation(entry: StoredAccount, state: State, event: ReferralConfirmed) -> State:
    """Mark a referral as confirmed."""
    update = {"confirmed": True, "timestamp": event.confirmed_at}
    item = state.items.get(event.use_id)
    if item is None:
        referrals = tuple(
            referral.model_copy(update=update) if referral.use_id == event.use_id else referral
            for referral in entry.referrals
        )
        return ListState(_changed(entry, referrals=referrals), {})
    changed = int(not item.confirmed)
    item = item.model_copy(update=update)
    return _with_more(entry, entry.more, item, used=changed, pending=-changed)


def without_referral(entry: StoredAccount, state: State, use_id: str) -> State:
    """Remove a referral that takes no seat any more."""
    item = state.items.get(use_id)
    if item is None:
        others = tuple(referral for referral in entry.referrals if referral.use_id != use_id)
        return ListState(_changed(entry, referrals=others), {})
    return _with_more(
        entry, entry.more, None, used=-int(item.confirmed), pending=-int(not item.confirmed)
    )


def _with_more(
    entry: StoredAccount, more: MoreReferrals | None, item: NumberedReferral | None, **by: int
) -> State:
    """Return the state with an item, or without it, and with these changes of its counts."""
    counts = (more or MoreReferrals()).model_dump(by_alias=False)
    changed = MoreReferrals(**{name: count + by.get(name, 0) for name, count in counts.items()})
    left = changed if changed.used + changed.pending else None
    items = {} if item is None or item.use_id is None else {item.use_id: item}
    return ListState(_changed(entry, more=left), items)


def _changed(entry: StoredAccount, **changes: Any) -> StoredAccount:
    """Return the entry with these fields, and with the fields that are derived from them."""
    codes = changes.get("codes", entry.codes)
    referrals = changes.get("referrals", entry.referrals)
    more = changes.get("more", entry.more) or MoreReferrals()
    used = sum(referral.confirmed for referral in referrals) + more.used
    seats = len(referrals) + more.used + more.pending
    remaining = changes.get("total_referrals", entry.total_referrals) - seats
    return entry.model_copy(
        update={
            **changes,
            "referral_code": codes[0] if codes else None,
            "referrals_used": used,
            "referrals_pending": seats - used,
            "referrals_remaining": remaining,
            "referral_is_valid": bool(codes) and remaining > 0,
        }
    )
