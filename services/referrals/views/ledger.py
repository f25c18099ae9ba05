"""Change a member's ledger: every point with its cause (pure)."""

from collections.abc import Iterable, Mapping
from typing import Any

from chassis.views.projection import ListState
from contracts.points import ALL_ENTRIES, NumberedEntry, PointsReason, PointsView
from contracts.referrals import (
    AccountOpened,
    CreditWithdrawn,
    QuotaGranted,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralEvent,
    ReferralHeld,
    ReferralRejected,
    ReferralReversed,
    ReferredCredited,
)
from contracts.streams import MEMBERS
from referrals.points import PointEvent, counted_at, points_of, rules_at

State = ListState[PointsView, NumberedEntry]


def touched(event: ReferralEvent) -> Iterable[str]:
    """Return the id of the entry that an event adds or changes."""
    match event:
        case ReferralDelayed() | ReferralHeld() | ReferralRejected() | ReferralConfirmed():
            return (_entry_id("referral", event.use_id),)
        case ReferralReversed():
            return (_entry_id("referral_reversed", event.use_id),)
        case ReferredCredited():
            return (_entry_id("was_referred", event.use_id),)
        case CreditWithdrawn():
            return (_entry_id("credit_withdrawn", event.use_id),)
        case _:
            return ()


def at_next_version(state: State, member_id: str) -> PointsView:
    """Return the summary with its version counted up; every event of the account counts."""
    view = state.summary or PointsView(member_id=member_id)
    return view.model_copy(update={"version": view.version + 1})


def opened(view: PointsView, event: AccountOpened) -> State:
    """Start the summary of a member."""
    update = {"since": event.opened_at, "total_invites": event.total_referrals}
    return ListState(view.model_copy(update=update), {})


def with_total(view: PointsView, event: QuotaGranted) -> State:
    """Change the number of seats."""
    return ListState(view.model_copy(update={"total_invites": event.total_referrals}), {})


def scores(entry: NumberedEntry) -> Mapping[str, float]:
    """Return the place of an entry: entries are listed in the order in which they were added."""
    return {ALL_ENTRIES: entry.number}


def with_reversal(view: PointsView, event: ReferralReversed) -> State:
    """Take the points of a confirmed referral away again."""
    view = view.model_copy(update={"invited": view.invited - 1})
    return with_points(view, "referral_reversed", event)


def with_pending(view: PointsView, state: State, event: ReferralDelayed | ReferralHeld) -> State:
    """Add points that count once the referral is confirmed; they can be held after a delay."""
    if (pending := _pending(state)) is not None:
        return _with_entry(view, pending, pending.model_copy(update={"cause": _cause(view)}))
    at = event.held_at if isinstance(event, ReferralHeld) else event.delayed_at
    rules = rules_at(at)
    entry = NumberedEntry(
        delta=rules.inviter,
        state="pending",
        reason="referral",
        cause=_cause(view),
        use_id=event.use_id,
        at=at,
        rules_version=rules.version,
        number=view.added,
    )
    return _with_entry(view, None, entry)


def with_pending_voided(view: PointsView, state: State, event: ReferralRejected) -> State:
    """Void the pending points of a referral that was rejected."""
    if (pending := _pending(state)) is None:
        return state
    void = pending.model_copy(update={"state": "void", "settled_at": event.rejected_at})
    return _with_entry(view, pending, void)


def with_confirmation(view: PointsView, state: State, event: ReferralConfirmed) -> State:
    """Add the points of a confirmed referral, or let pending ones count."""
    view = view.model_copy(update={"invited": view.invited + 1})
    if (pending := _pending(state)) is None:
        return with_points(view, "referral", event)
    rules = rules_at(event.confirmed_at)
    update: dict[str, Any] = {
        "state": "confirmed",
        "settled_at": event.confirmed_at,
        "cause": _cause(view),
        "delta": rules.inviter,
        "rules_version": rules.version,
    }
    return _with_entry(view, pending, pending.model_copy(update=update))


def with_points(view: PointsView, reason: PointsReason, event: PointEvent) -> State:
    """Add points that count at once."""
    at = counted_at(event)
    entry = NumberedEntry(
        delta=points_of(event),
        state="confirmed",
        reason=reason,
        cause=_cause(view),
        use_id=event.use_id,
        at=at,
        settled_at=at,
        rules_version=rules_at(at).version,
        number=view.added,
    )
    return _with_entry(view, None, entry)


def _with_entry(view: PointsView, before: NumberedEntry | None, after: NumberedEntry) -> State:
    """Return the ledger with an entry added, or changed, and the totals that follow from it."""
    points = _counted(after, "confirmed") - _counted(before, "confirmed")
    pending = _counted(after, "pending") - _counted(before, "pending")
    update = {
        "points": view.points + points,
        "pending": view.pending + pending,
        "added": view.added + (before is None),
    }
    view = view.model_copy(update=update)
    return ListState(view, {_entry_id(after.reason, after.use_id): after})


def _counted(entry: NumberedEntry | None, state: str) -> int:
    return entry.delta if entry is not None and entry.state == state else 0


def _pending(state: State) -> NumberedEntry | None:
    """Return the pending entry among those that the event touches."""
    return next((entry for entry in state.items.values() if entry.state == "pending"), None)


def _entry_id(reason: PointsReason, use_id: str) -> str:
    return f"{reason}.{use_id}"


def _cause(view: PointsView) -> str:
    return f"{MEMBERS.stream(view.member_id)}@{view.version}"
