"""Change the list of an account's referrals and their states (pure)."""

from typing import assert_never

from contracts.addresses import masked
from contracts.referrals import (
    ReferralConfirmed,
    ReferralDelayed,
    ReferralExpired,
    ReferralHeld,
    ReferralRejected,
    ReferralReleased,
    ReferralReserved,
    ReferralResult,
    ReferralReversed,
    ReferralStep,
    UseState,
    UsesView,
    UseView,
)


def fold(view: UsesView | None, event: ReferralStep) -> UsesView | None:
    """Return the list after one event; a new reservation replaces an earlier one."""
    if isinstance(event, ReferralReserved):
        return _with_reservation(view or UsesView(member_id=event.member_id), event)
    return view and _with_state(view, event)


def _with_reservation(view: UsesView, event: ReferralReserved) -> UsesView:
    use = UseView(
        use_id=event.use_id,
        invited_user=masked(event.invited_user),
        code=event.code,
        state="reserved",
        reserved_at=event.reserved_at,
        expires_at=event.expires_at,
    )
    others = (other for other in view.uses if other.use_id != event.use_id)
    return view.model_copy(update={"uses": (*others, use)})


def _with_state(view: UsesView, event: ReferralResult) -> UsesView:
    state, at, invited_id = _state_after(event)
    update = {"state": state, "settled_at": at, "invited_id": invited_id}
    uses = tuple(
        use.model_copy(update=update) if use.use_id == event.use_id else use for use in view.uses
    )
    return view.model_copy(update={"uses": uses})


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
