"""Change the view of an account's codes and of the seats that are left (pure)."""

from typing import Any

from contracts.referral_code import shown
from contracts.referrals import (
    AccountOpened,
    CampaignOpened,
    CodeIssued,
    CodeRevoked,
    CodesView,
    CodeView,
    QuotaGranted,
    ReferralReserved,
)


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
    return view.model_copy(update={"remaining": event.total_referrals - len(view.open_uses)})


def with_seat_taken(view: CodesView, event: ReferralReserved) -> CodesView:
    """Return the view with one more seat taken by a code."""
    view = view.model_copy(
        update={
            "open_uses": view.open_uses | {event.use_id: event.code},
            "remaining": view.remaining - 1,
        }
    )
    return _with_uses_changed(view, event.code, by=1)


def with_seat_freed(view: CodesView, use_id: str) -> CodesView:
    """Return the view with one seat less taken by the code of this referral."""
    open_uses = dict(view.open_uses)
    code = open_uses.pop(use_id)
    view = view.model_copy(update={"open_uses": open_uses, "remaining": view.remaining + 1})
    return _with_uses_changed(view, code, by=-1)


def _with_uses_changed(view: CodesView, code: str, *, by: int) -> CodesView:
    known = view.find(code)
    return view if known is None else _with_code(view, code, uses=known.uses + by)


def _with_code(view: CodesView, code: str, **update: Any) -> CodesView:
    codes = tuple(
        known.model_copy(update=update) if known.code == code else known for known in view.codes
    )
    return view.model_copy(update={"codes": codes})
