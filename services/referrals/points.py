"""Points by versioned rules, as folds over facts: the ledger of a member and its standing (pure).

A change of the rules is a new row in `RULES` from a moment on. What was earned before stays as it
was; to rewrite history too, change the row and raise the projections' versions.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from contracts.addresses import masked
from contracts.points import LedgerEntry, PointsReason, PointsView, StandingView
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

ALL: Final = "all"
CLOCK_RANGE: Final = 2**33
"""Seconds; a score's fraction says how early before that it was reached."""


@dataclass(frozen=True, slots=True)
class PointRules:
    version: int
    since: int
    """UNIX seconds from which on they hold."""
    inviter: int
    invited: int


RULES: Final = (PointRules(version=1, since=0, inviter=100, invited=10),)


def rules_at(at: int) -> PointRules:
    return next(rules for rules in reversed(RULES) if rules.since <= at)


def month_of(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")


# The ledger


def fold_points(view: PointsView | None, event: ReferralEvent) -> PointsView | None:
    member_id = getattr(event, "member_id", None)
    if member_id is None:
        return view
    view = view or PointsView(member_id=member_id)
    view = view.model_copy(update={"version": view.version + 1})
    return _summed(_entered(view, event))


def _entered(view: PointsView, event: ReferralEvent) -> PointsView:  # noqa: PLR0911  one line for each event
    match event:
        case AccountOpened():
            return view.model_copy(
                update={"since": event.opened_at, "total_invites": event.total_referrals}
            )
        case QuotaGranted():
            return view.model_copy(update={"total_invites": event.total_referrals})
        case ReferralDelayed():
            return _pending(view, event.use_id, event.delayed_at)
        case ReferralHeld():
            return _pending(view, event.use_id, event.held_at)
        case ReferralConfirmed():
            return _confirmed(view, event)
        case ReferralRejected():
            return _settled(view, event.use_id, state="void", settled_at=event.rejected_at)
        case ReferralReversed():
            delta = -rules_at(event.confirmed_at).inviter
            view = view.model_copy(update={"invited": view.invited - 1})
            return _counted(view, delta, "referral_reversed", event.use_id, event.reversed_at)
        case ReferredCredited():
            delta = rules_at(event.credited_at).invited
            return _counted(view, delta, "was_referred", event.use_id, event.credited_at)
        case CreditWithdrawn():
            delta = -rules_at(event.credited_at).invited
            return _counted(view, delta, "credit_withdrawn", event.use_id, event.withdrawn_at)
        case _:
            return view


def _confirmed(view: PointsView, event: ReferralConfirmed) -> PointsView:
    if event.team:
        return view
    rules = rules_at(event.confirmed_at)
    view = view.model_copy(update={"invited": view.invited + 1})
    if any(_waits(entry, event.use_id) for entry in view.entries):
        return _settled(
            view,
            event.use_id,
            state="confirmed",
            settled_at=event.confirmed_at,
            cause=_cause(view),
            delta=rules.inviter,
            rules_version=rules.version,
        )
    return _counted(view, rules.inviter, "referral", event.use_id, event.confirmed_at)


def _settled(view: PointsView, use_id: str, **update: object) -> PointsView:
    """What was pending comes to something, or to nothing."""
    entries = tuple(
        entry.model_copy(update=update) if _waits(entry, use_id) else entry
        for entry in view.entries
    )
    return view.model_copy(update={"entries": entries})


def _pending(view: PointsView, use_id: str, at: int) -> PointsView:
    rules = rules_at(at)
    entry = LedgerEntry(
        delta=rules.inviter,
        state="pending",
        reason="referral",
        cause=_cause(view),
        use_id=use_id,
        at=at,
        rules_version=rules.version,
    )
    return view.model_copy(update={"entries": (*view.entries, entry)})


def _counted(
    view: PointsView, delta: int, reason: PointsReason, use_id: str, at: int
) -> PointsView:
    entry = LedgerEntry(
        delta=delta,
        state="confirmed",
        reason=reason,
        cause=_cause(view),
        use_id=use_id,
        at=at,
        settled_at=at,
        rules_version=rules_at(at).version,
    )
    return view.model_copy(update={"entries": (*view.entries, entry)})


def _summed(view: PointsView) -> PointsView:
    points = sum(entry.delta for entry in view.entries if entry.state == "confirmed")
    pending = sum(entry.delta for entry in view.entries if entry.state == "pending")
    return view.model_copy(update={"points": points, "pending": pending})


def _cause(view: PointsView) -> str:
    return f"member-{view.member_id}@{view.version}"


def _waits(entry: LedgerEntry, use_id: str) -> bool:
    return entry.use_id == use_id and entry.state == "pending"


# The boards


def fold_standing(view: StandingView | None, event: ReferralEvent) -> StandingView | None:
    match event:
        case AccountOpened():
            view = view or StandingView(member_id=event.member_id, reached_at=event.opened_at)
            return view.model_copy(update={"display_name": masked(event.email)})
        case ReferralConfirmed() if not event.team:
            points = rules_at(event.confirmed_at).inviter
            return _moved(view, event.member_id, points, event.confirmed_at)
        case ReferralReversed():
            points = -rules_at(event.confirmed_at).inviter
            return _moved(view, event.member_id, points, event.reversed_at)
        case ReferredCredited():
            points = rules_at(event.credited_at).invited
            return _moved(view, event.member_id, points, event.credited_at)
        case CreditWithdrawn():
            points = -rules_at(event.credited_at).invited
            return _moved(view, event.member_id, points, event.withdrawn_at)
        case _:
            return view


def _moved(view: StandingView | None, member_id: str, points: int, at: int) -> StandingView:
    view = view or StandingView(member_id=member_id)
    month = month_of(at)
    return view.model_copy(
        update={
            "points": view.points + points,
            "reached_at": at,
            "months": view.months | {month: view.months.get(month, 0) + points},
            "reached_in": view.reached_in | {month: at},
        }
    )


def scores(view: StandingView) -> dict[str, float | None]:
    """All members are on the board of all time; a month's has those who earned something in it."""
    opened = bool(view.display_name)
    places: dict[str, float | None] = {ALL: score(view.points, view.reached_at) if opened else None}
    for month, points in view.months.items():
        ranked = opened and points > 0
        places[month] = score(points, view.reached_in[month]) if ranked else None
    return places


def score(points: int, reached_at: int) -> float:
    """The points, and a fraction that puts those first who got there first."""
    return max(points, 0) + (CLOCK_RANGE - reached_at) / CLOCK_RANGE


def points_on(view: StandingView, board: str) -> int | None:
    """The points that rank the member on this board; None: it is not on it."""
    place = scores(view).get(board)
    return None if place is None else int(place)
