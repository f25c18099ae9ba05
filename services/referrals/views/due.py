"""Change the times at which an account's referrals expire or are confirmed (pure)."""

from collections.abc import Mapping
from typing import Final, assert_never

from contracts.referrals import (
    DueView,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralExpired,
    ReferralHeld,
    ReferralRejected,
    ReferralReleased,
    ReferralReserved,
    ReferralReversed,
    ReferralStep,
)

DUE_BOARD: Final = "due"


def fold(view: DueView | None, event: ReferralStep) -> DueView | None:
    """Return the due times (UNIX seconds) after one event."""
    match event:
        case ReferralReserved():
            view = view or DueView(member_id=event.member_id)
            return _with_due(view, event.use_id, event.expires_at)
        case ReferralDelayed():
            return view and _with_due(view, event.use_id, event.until)
        case (
            ReferralHeld()
            | ReferralConfirmed()
            | ReferralRejected()
            | ReferralReleased()
            | ReferralExpired()
            | ReferralReversed()
        ):
            return view and _with_due(view, event.use_id, None)
        case _:
            assert_never(event)


def scores(view: DueView) -> Mapping[str, float | None]:
    """Return the place on the board: the earliest due time, or none if nothing is due."""
    return {DUE_BOARD: float(min(view.due.values())) if view.due else None}


def _with_due(view: DueView, use_id: str, at: int | None) -> DueView:
    due = {other: when for other, when in view.due.items() if other != use_id}
    return view.model_copy(update={"due": due if at is None else due | {use_id: at}})
