"""Change the list of an account's referrals and their states (pure).

A reservation is listed after all others; a new one of the same person replaces the earlier one.
"""

from collections.abc import Iterable, Mapping
from typing import assert_never

from chassis.views.projection import ListState
from contracts.addresses import masked
from contracts.referrals import (
    ALL_REFERRALS,
    BoardEvent,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralEvent,
    ReferralExpired,
    ReferralHeld,
    ReferralRejected,
    ReferralReleased,
    ReferralReserved,
    ReferralResult,
    ReferralReversed,
    ReferralStep,
    UsesSummary,
    UseState,
    UseView,
    shown_state,
)

State = ListState[UsesSummary, UseView]


def touched(event: ReferralEvent) -> Iterable[str]:
    """Return the id of the referral that an event is about."""
    return (event.use_id,) if isinstance(event, ReferralStep) else ()


def fold(state: State, event: ReferralEvent) -> State:
    """Return the list after one event; every event of the account counts for its version."""
    if isinstance(event, BoardEvent):
        return state
    summary = state.summary or UsesSummary(member_id=event.member_id)
    if isinstance(event, ReferralReserved):
        item = _reserved(summary, event)
        summary = summary.model_copy(update={"reserved": summary.reserved + 1})
        return ListState(summary, {event.use_id: item})
    if isinstance(event, ReferralResult) and (use := state.items.get(event.use_id)) is not None:
        return ListState(summary, {event.use_id: _with_state(use, event)})
    return state._replace(summary=summary)


def scores(use: UseView) -> Mapping[str, float]:
    """Return the orders that a referral is in: that of all, and that of its state."""
    return {ALL_REFERRALS: use.number, shown_state(use.state): use.number}


def _reserved(summary: UsesSummary, event: ReferralReserved) -> UseView:
    return UseView(
        use_id=event.use_id,
        invited_user=masked(event.invited_user),
        code=event.code,
        state="reserved",
        reserved_at=event.reserved_at,
        expires_at=event.expires_at,
        number=summary.reserved,
        invite_id=event.invite_id,
    )


def _with_state(use: UseView, event: ReferralResult) -> UseView:
    state, at, invited_id = _state_after(event)
    return use.model_copy(update={"state": state, "settled_at": at, "invited_id": invited_id})


def _state_after(event: ReferralResult) -> tuple[UseState, int, str | None]:
    match event:
        case ReferralDelayed():
            return "delayed", event.delayed_at, event.invited_id
        case ReferralHeld():
            return "held", event.held_at, event.invited_id
        case ReferralConfirmed():
            return "confirmed", event.confirmed_at, event.invited_id
        case ReferralRejected():
            return "rejected", event.rejected_at, event.invited_id
        case ReferralReversed():
            return "reversed", event.reversed_at, event.invited_id
        case ReferralReleased():
            return "released", event.released_at, None
        case ReferralExpired():
            return "expired", event.expired_at, None
        case _:
            assert_never(event)
