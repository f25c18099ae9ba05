"""What readers see: members' entries, codes and uses, points and boards, cases and what is due."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from chassis.views.projection import Index, Ordering, Projection
from contracts.addresses import masked
from contracts.points import CLOSED_DAYS, LEADERBOARD, POINTS
from contracts.referral_code import normalise, shown
from contracts.referrals import (
    ACCOUNTS,
    CODE_OWNERS,
    DUE_REFERRALS,
    MEMBER_CODES,
    REFERRAL_OWNERS,
    REFERRALS,
    REVIEW_CASES,
    AccountOpened,
    CampaignOpened,
    Case,
    CasesView,
    CodeIssued,
    CodeRevoked,
    CodesView,
    CodeView,
    DayClosed,
    DueView,
    QuotaGranted,
    Referral,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralEvent,
    ReferralExpired,
    ReferralHeld,
    ReferralRejected,
    ReferralReleased,
    ReferralReserved,
    ReferralReversed,
    UsersEntry,
    UseState,
    UsesView,
    UseView,
)
from referrals.points import fold_points, fold_standing, scores

DUE_BOARD: Final = "due"
CASES_BOARD: Final = "open"


# The entry of a member


def fold_entry(entry: UsersEntry | None, event: ReferralEvent) -> UsersEntry | None:
    if isinstance(event, AccountOpened):
        return UsersEntry(
            user=event.email,
            total_referrals=event.total_referrals,
            referrals_used=0,
            referrals_pending=0,
            referrals_remaining=event.total_referrals,
            referral_is_valid=False,
        )
    if entry is None:  # a campaign, or no account yet
        return None
    return _counted(entry, _changed(entry, event))


def _changed(  # noqa: PLR0911  one line for each event
    entry: UsersEntry, event: ReferralEvent
) -> dict[str, Any]:
    match event:
        case CodeIssued():
            return {"codes": (*entry.codes, event.shown or shown(event.code))}
        case CodeRevoked():
            kept = tuple(code for code in entry.codes if normalise(code) != event.code)
            return {"codes": kept}
        case QuotaGranted():
            return {"total_referrals": event.total_referrals}
        case ReferralReserved():
            referral = Referral(
                invited_user=masked(event.invited_user),
                timestamp=event.reserved_at,
                confirmed=False,
                use_id=event.use_id,
            )
            others = (other for other in entry.referrals if other.use_id != event.use_id)
            return {"referrals": (*others, referral)}
        case ReferralConfirmed():
            update = {"confirmed": True, "timestamp": event.confirmed_at}
            return {
                "referrals": tuple(
                    referral.model_copy(update=update)
                    if referral.use_id == event.use_id
                    else referral
                    for referral in entry.referrals
                )
            }
        case ReferralReleased() | ReferralExpired() | ReferralRejected() | ReferralReversed():
            return {"referrals": tuple(r for r in entry.referrals if r.use_id != event.use_id)}
        case _:
            return {}


def _counted(entry: UsersEntry, changes: dict[str, Any]) -> UsersEntry:
    """The entry with these changes, and with what follows from them."""
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


# Codes, and what is left of them


def fold_codes(  # noqa: PLR0911  one line for each event
    view: CodesView | None, event: ReferralEvent
) -> CodesView | None:
    if isinstance(event, DayClosed):
        return view
    view = view or CodesView(member_id=event.member_id)
    view = view.model_copy(update={"version": view.version + 1})
    match event:
        case AccountOpened() | CampaignOpened():
            return view.model_copy(update={"opened": True, "remaining": event.total_referrals})
        case CodeIssued():
            code = CodeView(
                code=event.code,
                shown=event.shown or shown(event.code),
                kind=event.kind,
                max_uses=event.max_uses,
                expires_at=event.expires_at,
                issued_version=view.version,
            )
            return view.model_copy(update={"codes": (*view.codes, code)})
        case CodeRevoked():
            ended = {"revoked": True, "replaced_by": event.replaced_by}
            return _with_code(view, event.code, lambda _code: ended)
        case QuotaGranted():
            seats = len(view.open_uses)
            return view.model_copy(update={"remaining": event.total_referrals - seats})
        case ReferralReserved():
            taken = view.open_uses | {event.use_id: event.code}
            view = view.model_copy(update={"open_uses": taken, "remaining": view.remaining - 1})
            return _with_code(view, event.code, lambda code: {"uses": code.uses + 1})
        case ReferralReleased() | ReferralExpired() | ReferralRejected() | ReferralReversed():
            taken = dict(view.open_uses)
            freed = taken.pop(event.use_id)
            view = view.model_copy(update={"open_uses": taken, "remaining": view.remaining + 1})
            return _with_code(view, freed, lambda code: {"uses": code.uses - 1})
        case _:
            return view


def _with_code(
    view: CodesView, wanted: str, change: Callable[[CodeView], dict[str, Any]]
) -> CodesView:
    codes = tuple(
        code.model_copy(update=change(code)) if code.code == wanted else code for code in view.codes
    )
    return view.model_copy(update={"codes": codes})


def code_entries(event: ReferralEvent) -> Mapping[str, str | None]:
    match event:
        case CodeIssued():
            return {event.code: f"member-{event.member_id}"}
        case _:
            return {}


# Uses


def fold_uses(view: UsesView | None, event: ReferralEvent) -> UsesView | None:
    if isinstance(event, ReferralReserved):
        view = view or UsesView(member_id=event.member_id)
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
    if view is None or (settled := _settled(event)) is None:
        return view
    use_id, state, at = settled
    update = {
        "state": state,
        "settled_at": at,
        "invited_id": getattr(event, "invited_id", None),
    }
    uses = tuple(
        use.model_copy(update=update) if use.use_id == use_id else use for use in view.uses
    )
    return view.model_copy(update={"uses": uses})


def _settled(event: ReferralEvent) -> tuple[str, UseState, int] | None:  # noqa: PLR0911  one line for each event
    match event:
        case ReferralDelayed():
            return event.use_id, "delayed", event.delayed_at
        case ReferralHeld():
            return event.use_id, "held", event.held_at
        case ReferralConfirmed():
            return event.use_id, "confirmed", event.confirmed_at
        case ReferralRejected():
            return event.use_id, "rejected", event.rejected_at
        case ReferralReleased():
            return event.use_id, "released", event.released_at
        case ReferralExpired():
            return event.use_id, "expired", event.expired_at
        case ReferralReversed():
            return event.use_id, "reversed", event.reversed_at
        case _:
            return None


def use_entries(event: ReferralEvent) -> Mapping[str, str | None]:
    match event:
        case ReferralReserved():
            return {event.use_id: f"member-{event.member_id}"}
        case _:
            return {}


# What waits for time, and what for a person


def fold_due(view: DueView | None, event: ReferralEvent) -> DueView | None:
    match event:
        case ReferralReserved():
            view = view or DueView(member_id=event.member_id)
            return _due(view, event.use_id, event.expires_at)
        case ReferralDelayed():
            return view and _due(view, event.use_id, event.until)
        case ReferralHeld() | ReferralConfirmed():
            return view and _due(view, event.use_id, None)
        case ReferralReleased() | ReferralExpired() | ReferralRejected() | ReferralReversed():
            return view and _due(view, event.use_id, None)
        case _:
            return view


def _due(view: DueView, use_id: str, at: int | None) -> DueView:
    due = {other: when for other, when in view.due.items() if other != use_id}
    return view.model_copy(update={"due": due if at is None else due | {use_id: at}})


def due_scores(view: DueView) -> Mapping[str, float | None]:
    return {DUE_BOARD: float(min(view.due.values())) if view.due else None}


def fold_cases(view: CasesView | None, event: ReferralEvent) -> CasesView | None:
    match event:
        case ReferralReserved():
            view = view or CasesView(member_id=event.member_id)
            known = view.reserved | {event.use_id: event.invited_user}
            return view.model_copy(update={"reserved": known})
        case ReferralHeld() | ReferralDelayed():
            return view and view.model_copy(update={"cases": (*view.cases, _case(view, event))})
        case ReferralConfirmed():
            return view and _without_case(view, event.use_id)
        case ReferralReleased() | ReferralExpired() | ReferralRejected() | ReferralReversed():
            return view and _without_case(view, event.use_id)
        case _:
            return view


def _case(view: CasesView, event: ReferralHeld | ReferralDelayed) -> Case:
    held = isinstance(event, ReferralHeld)
    return Case(
        use_id=event.use_id,
        invited_user=view.reserved[event.use_id],
        invited_id=event.invited_id,
        state="held" if held else "delayed",
        since=event.held_at if isinstance(event, ReferralHeld) else event.delayed_at,
        until=None if isinstance(event, ReferralHeld) else event.until,
        assessment=event.assessment,
    )


def _without_case(view: CasesView, use_id: str) -> CasesView:
    reserved = {other: address for other, address in view.reserved.items() if other != use_id}
    cases = tuple(case for case in view.cases if case.use_id != use_id)
    return view.model_copy(update={"cases": cases, "reserved": reserved})


def case_scores(view: CasesView) -> Mapping[str, float | None]:
    """The oldest first: boards begin with the greatest score."""
    return {CASES_BOARD: -float(min(case.since for case in view.cases)) if view.cases else None}


# Closed days


def close_entries(event: ReferralEvent) -> Mapping[str, str | None]:
    match event:
        case DayClosed():
            return {f"{event.board}.{event.day}": event.model_dump_json()}
        case _:
            return {}


MEMBER_ENTRIES = Projection(ACCOUNTS, fold_entry, version=2)
CODES = Index(CODE_OWNERS, code_entries)
CODE_VIEWS = Projection(MEMBER_CODES, fold_codes)
USES = Projection(REFERRALS, fold_uses)
USE_OWNERS = Index(REFERRAL_OWNERS, use_entries)
LEDGERS = Projection(POINTS, fold_points)
STANDINGS = Ordering(LEADERBOARD, fold_standing, scores)
DUE = Ordering(DUE_REFERRALS, fold_due, due_scores)
CASES = Ordering(REVIEW_CASES, fold_cases, case_scores)
CLOSES = Index(CLOSED_DAYS, close_entries)

MODELS = (
    MEMBER_ENTRIES,
    CODES,
    CODE_VIEWS,
    USES,
    USE_OWNERS,
    LEDGERS,
    STANDINGS,
    DUE,
    CASES,
    CLOSES,
)
