"""Declare the read models of the service: which event changes which view, and how (pure)."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final, TypeVar, assert_never

from chassis.views.projection import Index, Listing, ListState, Ordering
from contracts.messages import View
from contracts.points import (
    CLOSED_BOARDS,
    CLOSED_DAYS,
    ENDED_MONTHS,
    LEADERBOARD,
    POINTS,
    ClosedBoard,
    StandingView,
)
from contracts.ranking import month_of
from contracts.referrals import (
    ACCOUNT_LISTS,
    CODE_LISTS,
    CODE_OWNERS,
    DUE_REFERRALS,
    INVITED_USES,
    REFERRAL_OWNERS,
    REFERRALS,
    REVIEW_CASES,
    AccountOpened,
    BoardEvent,
    CampaignOpened,
    CodeBrought,
    CodeIssued,
    CodeRevoked,
    CreditWithdrawn,
    DayClosed,
    ProfileSet,
    QuotaGranted,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralEvent,
    ReferralExpired,
    ReferralHeld,
    ReferralRejected,
    ReferralReleased,
    ReferralReserved,
    ReferralReversed,
    ReferralStep,
    ReferredCredited,
)
from contracts.streams import MEMBERS
from referrals.points import PendingEvent, PointEvent, is_of_campaign
from referrals.views import cases, codes, due, entry, leaderboard, ledger, referral_list

V = TypeVar("V", bound=View)


def fold_entry(state: entry.State, event: ReferralEvent) -> entry.State:
    """Return a member's entry after one event; campaigns have none."""
    if isinstance(event, AccountOpened):
        return ListState(entry.opened(event), {})
    if (view := state.summary) is None:
        return state
    match event:
        case CodeIssued():
            return ListState(entry.with_code(view, event), {})
        case CodeRevoked():
            return ListState(entry.without_code(view, event), {})
        case QuotaGranted():
            return ListState(entry.with_total(view, event), {})
        case ProfileSet():
            return ListState(entry.with_profile(view, event), {})
        case ReferralReserved():
            return entry.with_referral(view, state, event)
        case ReferralConfirmed():
            return entry.with_confirmation(view, state, event)
        case ReferralRejected() | ReferralReleased() | ReferralExpired() | ReferralReversed():
            return entry.without_referral(view, state, event.use_id)
        case CampaignOpened() | CodeBrought() | ReferralDelayed() | ReferralHeld():
            return state
        case ReferredCredited() | CreditWithdrawn() | DayClosed():
            return state
        case _:
            assert_never(event)


def fold_codes(state: codes.State, event: ReferralEvent) -> codes.State:
    """Return an account's codes after one event."""
    if isinstance(event, DayClosed):
        return state
    view = codes.at_next_version(state.summary, event.member_id)
    match event:
        case AccountOpened() | CampaignOpened():
            return ListState(codes.opened(view, event), {})
        case CodeIssued():
            return ListState(codes.with_code(view, event), {})
        case CodeRevoked():
            return ListState(codes.with_code_revoked(view, event), {})
        case QuotaGranted():
            return ListState(codes.with_total(view, event), {})
        case ReferralReserved():
            return codes.with_seat_taken(view, event)
        case ReferralRejected() | ReferralReleased() | ReferralExpired() | ReferralReversed():
            return codes.with_seat_freed(view, state, event.use_id)
        case CodeBrought() | ReferralDelayed() | ReferralHeld() | ReferralConfirmed():
            return state._replace(summary=view)
        case ReferredCredited() | CreditWithdrawn() | ProfileSet():
            return state._replace(summary=view)
        case _:
            assert_never(event)


def fold_ledger(state: ledger.State, event: ReferralEvent) -> ledger.State:
    """Return an account's ledger after one event; every event of the account is one version."""
    if isinstance(event, BoardEvent):
        return state
    view = ledger.at_next_version(state, event.member_id)
    state = state._replace(summary=view)
    if isinstance(event, PointEvent | PendingEvent) and is_of_campaign(event):
        return state
    match event:
        case AccountOpened():
            return ledger.opened(view, event)
        case QuotaGranted():
            return ledger.with_total(view, event)
        case ReferralDelayed() | ReferralHeld():
            return ledger.with_pending(view, state, event)
        case ReferralRejected():
            return ledger.with_pending_voided(view, state, event)
        case ReferralConfirmed():
            return ledger.with_confirmation(view, state, event)
        case ReferralReversed():
            return ledger.with_reversal(view, event)
        case ReferredCredited():
            return ledger.with_points(view, "was_referred", event)
        case CreditWithdrawn():
            return ledger.with_points(view, "credit_withdrawn", event)
        case CampaignOpened() | CodeBrought() | CodeIssued() | CodeRevoked() | ProfileSet():
            return state
        case ReferralReserved() | ReferralReleased() | ReferralExpired():
            return state
        case _:
            assert_never(event)


LEADERBOARD_VERSION: Final = 3
"""Version of `fold_leaderboard`: another version may rank members differently."""


def fold_leaderboard(view: StandingView | None, event: ReferralEvent) -> StandingView | None:
    """Return what ranks a member on the leaderboards after one event."""
    match event:
        case AccountOpened():
            return leaderboard.opened(view, event)
        case ProfileSet():
            return leaderboard.with_profile(view, event)
        case ReferralConfirmed() | ReferralReversed() | ReferredCredited() | CreditWithdrawn():
            return leaderboard.with_points(view, event)
        case CampaignOpened() | CodeBrought() | CodeIssued() | CodeRevoked() | QuotaGranted():
            return view
        case ReferralReserved() | ReferralDelayed() | ReferralHeld() | ReferralRejected():
            return view
        case ReferralReleased() | ReferralExpired() | DayClosed():
            return view
        case _:
            assert_never(event)


def of_referrals(
    fold: Callable[[V | None, ReferralStep], V | None],
) -> Callable[[V | None, ReferralEvent], V | None]:
    """Apply a fold to the events of referrals; all other events leave the view as it is."""

    def apply(view: V | None, event: ReferralEvent) -> V | None:
        match event:
            case ReferralReserved() | ReferralDelayed() | ReferralHeld() | ReferralConfirmed():
                return fold(view, event)
            case ReferralRejected() | ReferralReleased() | ReferralExpired() | ReferralReversed():
                return fold(view, event)
            case AccountOpened() | CampaignOpened() | CodeBrought() | CodeIssued() | CodeRevoked():
                return view
            case QuotaGranted() | ReferredCredited() | CreditWithdrawn() | DayClosed():
                return view
            case ProfileSet():
                return view
            case _:
                assert_never(event)

    return apply


def code_entries(event: ReferralEvent) -> Mapping[str, str | None]:
    """Return code -> stream of its owner for a code that was issued; codes never move."""
    return {event.code: MEMBERS.stream(event.member_id)} if isinstance(event, CodeIssued) else {}


def referral_entries(event: ReferralEvent) -> Mapping[str, str | None]:
    """Return use id -> stream of the referrer for a referral that was reserved."""
    if isinstance(event, ReferralReserved):
        return {event.use_id: MEMBERS.stream(event.member_id)}
    return {}


def invitation_entries(event: ReferralEvent) -> Mapping[str, str | None]:
    """Return invitation id -> use id for a seat that an accepted invitation reserved."""
    if isinstance(event, ReferralReserved) and event.invite_id is not None:
        return {event.invite_id: event.use_id}
    return {}


def fold_board(view: ClosedBoard | None, event: ReferralEvent) -> ClosedBoard | None:
    """Return what is listed of a board's day once it is closed."""
    if not isinstance(event, DayClosed):
        return view
    return ClosedBoard(board=event.board, day=event.day, members=event.members)


def board_scores(view: ClosedBoard) -> Mapping[str, float | None]:
    """Return the place of a month's last day among the months that have ended, the latest first."""
    day = date.fromisoformat(view.day)
    ends_month = (day + timedelta(days=1)).day == 1
    is_month = view.board == month_of(day)
    return {ENDED_MONTHS: float(day.toordinal()) if is_month and ends_month else None}


def close_entries(event: ReferralEvent) -> Mapping[str, str | None]:
    """Return `<board>.<day>` -> JSON of the event for a day that was closed."""
    if isinstance(event, DayClosed):
        return {f"{event.board}.{event.day}": event.model_dump_json()}
    return {}


MODELS: Final = (
    Listing(ACCOUNT_LISTS, entry.touched, fold_entry, entry.scores, version=4),
    Index(CODE_OWNERS, code_entries),
    Listing(CODE_LISTS, codes.touched, fold_codes, codes.scores, version=2),
    Listing(REFERRALS, referral_list.touched, referral_list.fold, referral_list.scores, version=2),
    Index(REFERRAL_OWNERS, referral_entries),
    Index(INVITED_USES, invitation_entries),
    Listing(POINTS, ledger.touched, fold_ledger, ledger.scores, version=2),
    Ordering(LEADERBOARD, fold_leaderboard, leaderboard.scores, version=LEADERBOARD_VERSION),
    Ordering(DUE_REFERRALS, of_referrals(due.fold), due.scores),
    Ordering(REVIEW_CASES, of_referrals(cases.fold), cases.scores, version=2),
    Index(CLOSED_DAYS, close_entries),
    Ordering(CLOSED_BOARDS, fold_board, board_scores),
)
