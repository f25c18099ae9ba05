"""Change the cases that wait for an administrator's review or for the end of a delay (pure)."""

from collections.abc import Mapping
from typing import Final, assert_never

from contracts.referrals import (
    Case,
    CasesView,
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

CASES_BOARD: Final = "open"


def fold(view: CasesView | None, event: ReferralStep) -> CasesView | None:
    """Return the open cases after one event."""
    match event:
        case ReferralReserved():
            view = view or CasesView(member_id=event.member_id)
            reserved = view.reserved | {event.use_id: event.invited_user}
            return view.model_copy(update={"reserved": reserved})
        case ReferralHeld() | ReferralDelayed():
            return view and _with_case(view, event)
        case (
            ReferralConfirmed()
            | ReferralRejected()
            | ReferralReleased()
            | ReferralExpired()
            | ReferralReversed()
        ):
            return view and _without_case(view, event.use_id)
        case _:
            assert_never(event)


def scores(view: CasesView) -> Mapping[str, float | None]:
    """Return the place on the board, which lists greatest scores first: the oldest case leads."""
    return {CASES_BOARD: -float(min(case.since for case in view.cases)) if view.cases else None}


def _with_case(view: CasesView, event: ReferralHeld | ReferralDelayed) -> CasesView:
    opened = Case(
        use_id=event.use_id,
        invited_user=view.reserved[event.use_id],
        invited_id=event.invited_id,
        state="held" if isinstance(event, ReferralHeld) else "delayed",
        since=event.held_at if isinstance(event, ReferralHeld) else event.delayed_at,
        until=None if isinstance(event, ReferralHeld) else event.until,
        assessment=event.assessment,
    )
    others = (case for case in view.cases if case.use_id != event.use_id)
    return view.model_copy(update={"cases": (*others, opened)})


def _without_case(view: CasesView, use_id: str) -> CasesView:
    reserved = {other: address for other, address in view.reserved.items() if other != use_id}
    cases = tuple(case for case in view.cases if case.use_id != use_id)
    return view.model_copy(update={"cases": cases, "reserved": reserved})
