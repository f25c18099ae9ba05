"""Change the entry that shows a member their account (pure)."""

from typing import Any

from contracts.addresses import masked
from contracts.referral_code import normalise, shown
from contracts.referrals import (
    AccountOpened,
    CodeIssued,
    CodeRevoked,
    QuotaGranted,
    Referral,
    ReferralConfirmed,
    ReferralReserved,
    UsersEntry,
)


def opened(event: AccountOpened) -> UsersEntry:
    """Return the entry of a new account, which has no code yet."""
    return UsersEntry(
        user=event.email,
        total_referrals=event.total_referrals,
        referrals_used=0,
        referrals_pending=0,
        referrals_remaining=event.total_referrals,
        referral_is_valid=False,
    )


def with_code(entry: UsersEntry, event: CodeIssued) -> UsersEntry:
    """Return the entry with one more code."""
    return _changed(entry, codes=(*entry.codes, event.shown or shown(event.code)))


def without_code(entry: UsersEntry, event: CodeRevoked) -> UsersEntry:
    """Return the entry without a revoked code."""
    active = tuple(code for code in entry.codes if normalise(code) != event.code)
    return _changed(entry, codes=active)


def with_total(entry: UsersEntry, event: QuotaGranted) -> UsersEntry:
    """Return the entry with another total of referrals."""
    return _changed(entry, total_referrals=event.total_referrals)


def with_referral(entry: UsersEntry, event: ReferralReserved) -> UsersEntry:
    """Return the entry with a reserved referral, which replaces an earlier one of this person."""
    referral = Referral(
        invited_user=masked(event.invited_user),
        timestamp=event.reserved_at,
        confirmed=False,
        use_id=event.use_id,
    )
    others = (other for other in entry.referrals if other.use_id != event.use_id)
    return _changed(entry, referrals=(*others, referral))


def with_confirmation(entry: UsersEntry, event: ReferralConfirmed) -> UsersEntry:
    """Return the entry with a referral marked as confirmed."""
    update = {"confirmed": True, "timestamp": event.confirmed_at}
    referrals = tuple(
        referral.model_copy(update=update) if referral.use_id == event.use_id else referral
        for referral in entry.referrals
    )
    return _changed(entry, referrals=referrals)


def without_referral(entry: UsersEntry, use_id: str) -> UsersEntry:
    """Return the entry without a referral that takes no seat any more."""
    others = tuple(referral for referral in entry.referrals if referral.use_id != use_id)
    return _changed(entry, referrals=others)


def _changed(entry: UsersEntry, **changes: Any) -> UsersEntry:
    """Return the entry with these fields, and with the fields that are derived from them."""
    codes = changes.get("codes", entry.codes)
    referrals = changes.get("referrals", entry.referrals)
    used = sum(referral.confirmed for referral in referrals)
    remaining = changes.get("total_referrals", entry.total_referrals) - len(referrals)
    return entry.model_copy(
        update={
            **changes,
            "referral_code": codes[0] if codes else None,
            "referrals_used": used,
            "referrals_pending": len(referrals) - used,
            "referrals_remaining": remaining,
            "referral_is_valid": bool(codes) and remaining > 0,
        }
    )
