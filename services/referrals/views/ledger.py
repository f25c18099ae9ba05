"""Change a member's ledger: every point with its cause (pure)."""

from typing import Any

from contracts.points import LedgerEntry, PointsReason, PointsView
from contracts.referrals import (
    AccountOpened,
    CreditWithdrawn,
    QuotaGranted,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralHeld,
    ReferralRejected,
    ReferralReversed,
    ReferredCredited,
)
from contracts.streams import MEMBERS
from referrals.points import PointEvent, counted_at, points_of, rules_at


def at_next_version(view: PointsView | None, member_id: str) -> PointsView:
    """Return the ledger one event later; every event of the account counts."""
    view = view or PointsView(member_id=member_id)
    return view.model_copy(update={"version": view.version + 1})


def opened(view: PointsView, event: AccountOpened) -> PointsView:
    """Return the ledger with the account's opening time and total of referrals."""
    update = {"since": event.opened_at, "total_invites": event.total_referrals}
    return view.model_copy(update=update)


def with_total(view: PointsView, event: QuotaGranted) -> PointsView:
    """Return the ledger with another total of referrals."""
    return view.model_copy(update={"total_invites": event.total_referrals})


def with_pending(view: PointsView, event: ReferralDelayed | ReferralHeld) -> PointsView:
    """Return the ledger with points that count once the referral is confirmed."""
    at = event.held_at if isinstance(event, ReferralHeld) else event.delayed_at
    rules = rules_at(at)
    entry = LedgerEntry(
        delta=rules.inviter,
        state="pending",
        reason="referral",
        cause=_cause(view),
        use_id=event.use_id,
        at=at,
        rules_version=rules.version,
    )
    return _with_entries(view, (*view.entries, entry))


def with_pending_voided(view: PointsView, event: ReferralRejected) -> PointsView:
    """Return the ledger with the pending points of a rejected referral voided."""
    return _with_pending_changed(view, event.use_id, state="void", settled_at=event.rejected_at)


def with_confirmation(view: PointsView, event: ReferralConfirmed) -> PointsView:
    """Return the ledger with a confirmed referral; one of a campaign earns nothing."""
    if event.team:
        return view
    view = view.model_copy(update={"invited": view.invited + 1})
    if not any(_is_pending(entry, event.use_id) for entry in view.entries):
        return _with_points(view, "referral", event)
    rules = rules_at(event.confirmed_at)
    return _with_pending_changed(
        view,
        event.use_id,
        state="confirmed",
        settled_at=event.confirmed_at,
        cause=_cause(view),
        delta=rules.inviter,
        rules_version=rules.version,
    )


def with_reversal(view: PointsView, event: ReferralReversed) -> PointsView:
    """Return the ledger with the points of a reversed referral taken back."""
    view = view.model_copy(update={"invited": view.invited - 1})
    return _with_points(view, "referral_reversed", event)


def with_credit(view: PointsView, event: ReferredCredited) -> PointsView:
    """Return the ledger with the points for having joined by a referral."""
    return _with_points(view, "was_referred", event)


def with_credit_withdrawn(view: PointsView, event: CreditWithdrawn) -> PointsView:
    """Return the ledger with the points for having joined by a referral taken back."""
    return _with_points(view, "credit_withdrawn", event)


def _with_points(view: PointsView, reason: PointsReason, event: PointEvent) -> PointsView:
    at = counted_at(event)
    entry = LedgerEntry(
        delta=points_of(event),
        state="confirmed",
        reason=reason,
        cause=_cause(view),
        use_id=event.use_id,
        at=at,
        settled_at=at,
        rules_version=rules_at(at).version,
    )
    return _with_entries(view, (*view.entries, entry))


def _with_pending_changed(view: PointsView, use_id: str, **update: Any) -> PointsView:
    entries = tuple(
        entry.model_copy(update=update) if _is_pending(entry, use_id) else entry
        for entry in view.entries
    )
    return _with_entries(view, entries)


def _with_entries(view: PointsView, entries: tuple[LedgerEntry, ...]) -> PointsView:
    points = sum(entry.delta for entry in entries if entry.state == "confirmed")
    pending = sum(entry.delta for entry in entries if entry.state == "pending")
    return view.model_copy(update={"entries": entries, "points": points, "pending": pending})


def _cause(view: PointsView) -> str:
    return f"{MEMBERS.stream(view.member_id)}@{view.version}"


def _is_pending(entry: LedgerEntry, use_id: str) -> bool:
    return entry.use_id == use_id and entry.state == "pending"
