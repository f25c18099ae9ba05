"""Change the view of an account's codes and of the seats that are left (pure).

The codes of the first seats are part of the view. Once they are `INLINE_REFERRALS`, those of new
ones are items, so that an event costs the same however many seats an account has.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from chassis.views.projection import ListState
from contracts.referral_code import shown
from contracts.referrals import (
    INLINE_REFERRALS,
    AccountOpened,
    CampaignOpened,
    CodeIssued,
    CodeRevoked,
    CodesView,
    CodeUse,
    CodeView,
    QuotaGranted,
    ReferralEvent,
    ReferralReserved,
    ReferralStep,
)

State = ListState[CodesView, CodeUse]


def touched(event: ReferralEvent) -> Iterable[str]:
    """Return the id of the referral that an event is about."""
    return (event.use_id,) if isinstance(event, ReferralStep) else ()


def scores(_use: CodeUse) -> Mapping[str, float]:
    """Return no orders: the items are looked up one by one."""
    return {}


def at_next_version(view: CodesView | None, member_id: str) -> CodesView:
    """Return the view one event later; every event of the account counts."""
    view = view or CodesView(member_id=member_id)
    return view.model_copy(update={"version": view.version + 1})


def opened(view: CodesView, event: AccountOpened | CampaignOpened) -> CodesView:
    """Return the view of an open account, all of whose seats are left."""
    return view.model_copy(update={"opened": True, "remaining": event.total_referrals})


def with_code(view: CodesView, event: CodeIssued) -> CodesView:
    """Return the view with one more code, issued at the view's version."""
    code = CodeView(
        code=event.code,
        shown=event.shown or shown(event.code),
        kind=event.kind,
        max_uses=event.max_uses,
        expires_at=event.expires_at,
        issued_version=view.version,
    )
    return view.model_copy(update={"codes": (*view.codes, code)})


def with_code_revoked(view: CodesView, event: CodeRevoked) -> CodesView:
    """Return the view with a code marked as revoked."""
    return _with_code(view, event.code, revoked=True, replaced_by=event.replaced_by)


def with_total(view: CodesView, event: QuotaGranted) -> CodesView:
    """Return the view with the seats that another total leaves."""
    taken = len(view.open_uses) + view.more_uses
    return view.model_copy(update={"remaining": event.total_referrals - taken})


def with_seat_taken(view: CodesView, event: ReferralReserved) -> State:
    """Add a seat that is taken by a code."""
    view = _with_uses_changed(view, event.code, by=1)
    update: dict[str, Any] = {"remaining": view.remaining - 1}
    if len(view.open_uses) < INLINE_REFERRALS:
        update["open_uses"] = view.open_uses | {event.use_id: event.code}
        return ListState(view.model_copy(update=update), {})
    update["more_uses"] = view.more_uses + 1
    return ListState(view.model_copy(update=update), {event.use_id: CodeUse(code=event.code)})


def with_seat_freed(view: CodesView, state: State, use_id: str) -> State:
    """Remove a seat that was taken by the code of this referral."""
    update: dict[str, Any] = {"remaining": view.remaining + 1}
    if (item := state.items.get(use_id)) is not None:
        code = item.code
        update["more_uses"] = view.more_uses - 1
    else:
        update["open_uses"] = open_uses = dict(view.open_uses)
        code = open_uses.pop(use_id)
    return ListState(_with_uses_changed(view.model_copy(update=update), code, by=-1), {})


def _with_uses_changed(view: CodesView, code: str, *, by: int) -> CodesView:
    known = view.find(code)
    return view if known is None else _with_code(view, code, uses=known.uses + by)


def _with_code(view: CodesView, code: str, **update: Any) -> CodesView:
    codes = tuple(
        known.model_copy(update=update) if known.code == code else known for known in view.codes
    )
    return view.model_copy(update={"codes": codes})
