"""Project events into views of inviters, invitations and bulk results, and look-up entries.

Each fold takes the events of one aggregate, and lists those that it ignores.
"""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from chassis.views.projection import Index, Ordering, Projection
from contracts.addresses import digest, masked
from contracts.invites import (
    ADMITTED_INVITES,
    BULK_RESULTS,
    INVITE_TOKENS,
    INVITER_PROFILES,
    INVITES,
    MAIL_MESSAGES,
    UNSUBSCRIBE_TOKENS,
    BulkAdmitted,
    BulkResult,
    Happening,
    InvitationEvent,
    InviteAccepted,
    InviteAdmitted,
    InviteBounced,
    InviteClosed,
    InviteComplained,
    InviteDeclined,
    InviteDelayed,
    InviteDelivered,
    InviteeReleased,
    InviteEvent,
    InviteExpired,
    InviteReminded,
    InviteRequested,
    InviteResent,
    InviterEvent,
    InviteRevoked,
    InviterRegistered,
    InviterView,
    InviteSent,
    InviteState,
    InviteView,
    MailWithheld,
    ReservationWanted,
    SeatRefused,
    SeatReserved,
    SendingFailed,
    SendingPostponed,
    SendingStarted,
    SuppressionEvent,
    Unsubscribed,
)
from contracts.read_models import IndexRef
from contracts.streams import INVITATIONS
from invites.boards import boards
from invites.rules import RULES, SENDING_TIMEOUT

_RANKS: Final[Mapping[InviteState, int]] = {
    "requested": 0,
    "sent": 1,
    "delivered": 2,
    "bounced": 3,
    "failed": 4,
}
"""States of an open invitation, in order: a late event never moves an invitation backwards."""

Entries = Mapping[IndexRef, Mapping[str, str]]


def fold_inviter(view: InviterView | None, event: InviteEvent) -> InviterView | None:
    if not isinstance(event, InviterEvent):
        return view
    match event:
        case InviterRegistered():
            return InviterView(member_id=event.member_id, registered_at=event.registered_at)
        case InviteAdmitted() | BulkAdmitted() | InviteClosed() | InviteeReleased():
            return view
        case _:
            assert_never(event)


def fold_invite(view: InviteView | None, event: InviteEvent) -> InviteView | None:
    if not isinstance(event, InvitationEvent):
        return view
    if isinstance(event, InviteRequested):
        return _requested(event)
    if view is None:
        return None
    changes = _changes(view, event)
    if view.state not in _RANKS and not isinstance(event, InviteResent):
        changes.pop("due_at", None)  # it has ended: a late event makes nothing due again
    return view.model_copy(update=changes)


def _requested(event: InviteRequested) -> InviteView:
    return InviteView(
        invite_id=event.invite_id,
        inviter_id=event.inviter_id,
        email=event.email,
        inviter=event.name or masked(event.inviter_email),
        code=event.code,
        requested_at=event.requested_at,
        expires_at=event.expires_at,
        timeline=(Happening(what="requested", at=event.requested_at),),
        due_at=event.requested_at + SENDING_TIMEOUT,
    )


def _changes(view: InviteView, event: InvitationEvent) -> dict[str, Any]:
    match event:
        case SendingStarted():
            return {"token_hash": event.token_hash, "due_at": event.started_at + SENDING_TIMEOUT}
        case SendingPostponed():
            return {"due_at": event.until}
        case InviteSent():
            return _moved(view, "sent", event.sent_at, due_at=_reminder_at(view, event.sent_at))
        case MailWithheld():  # shown as sent: the inviter must not learn who gets no mail
            return _moved(view, "sent", event.withheld_at, due_at=view.expires_at)
        case SendingFailed():
            return _moved(view, "failed", event.failed_at, due_at=view.expires_at)
        case InviteDelivered():
            return _moved(view, "delivered", event.delivered_at)
        case InviteDelayed():
            return _noted(view, "delayed", event.delayed_at)
        case InviteBounced():
            if event.permanent:
                return _moved(view, "bounced", event.bounced_at)
            return _noted(view, "bounced", event.bounced_at)
        case InviteResent():
            return _noted(view, "resent", event.resent_at) | {
                "state": "requested",
                "token_hash": "",
                "expires_at": event.expires_at,
                "due_at": event.resent_at + SENDING_TIMEOUT,
            }
        case InviteReminded():
            due_at = event.reminded_at + SENDING_TIMEOUT
            return _noted(view, "reminded", event.reminded_at) | {"due_at": due_at}
        case InviteAccepted():
            return _moved(view, "accepted", event.accepted_at, due_at=None)
        case InviteDeclined():
            return _moved(view, "declined", event.declined_at, due_at=None)
        case InviteRevoked():
            return _moved(view, "revoked", event.revoked_at, due_at=None)
        case InviteExpired():
            return _moved(view, "expired", event.expired_at, due_at=None)
        case InviteComplained() | Unsubscribed():  # only the recipient and the service know
            return {"due_at": view.due_at and view.expires_at}
        case ReservationWanted():
            return {"seat": "pending"}
        case SeatReserved():
            return {"seat": "reserved"}
        case SeatRefused():
            return _noted(view, "no_seat", event.refused_at) | {"seat": "refused"}
        case InviteRequested():
            return {}
        case _:
            assert_never(event)


def _reminder_at(view: InviteView, sent_at: int) -> int:
    """Return when a reminder is due, or the expiry if none will be sent."""
    if any(entry.what in ("reminded", "bounced") for entry in view.timeline):
        return view.expires_at
    first = next((entry.at for entry in view.timeline if entry.what == "sent"), sent_at)
    return min(first + RULES.remind_after, view.expires_at)


def _noted(view: InviteView, what: str, at: int) -> dict[str, Any]:
    """Return a change that adds to the timeline."""
    return {"timeline": (*view.timeline, Happening(what=what, at=at))}


def _moved(view: InviteView, state: InviteState, at: int, **more: Any) -> dict[str, Any]:
    """Return a change that adds to the timeline and moves the state, but never backwards."""
    changes = _noted(view, state, at) | more
    if state not in _RANKS or _RANKS[state] >= _RANKS.get(view.state, len(_RANKS)):
        changes["state"] = state
    return changes


def index_entries(event: InviteEvent) -> Entries:
    """Return the entries that an event sets in each index."""
    if isinstance(event, InvitationEvent):
        return _invitation_entries(event)
    if isinstance(event, InviterEvent):
        return _inviter_entries(event)
    if isinstance(event, SuppressionEvent):
        return {}
    assert_never(event)


def _invitation_entries(event: InvitationEvent) -> Entries:
    match event:
        case SendingStarted():
            stream = INVITATIONS.stream(event.invite_id)
            return {
                INVITE_TOKENS: {event.token_hash: stream},
                UNSUBSCRIBE_TOKENS: {event.unsubscribe_hash: stream},
            }
        case InviteSent():
            return {MAIL_MESSAGES: {event.message_id: INVITATIONS.stream(event.invite_id)}}
        case (
            InviteRequested() | InviteResent() | InviteReminded() | MailWithheld()
            | SendingPostponed() | SendingFailed() | InviteDelivered() | InviteDelayed()
            | InviteBounced() | InviteComplained() | Unsubscribed() | InviteAccepted()
            | ReservationWanted() | SeatReserved() | SeatRefused() | InviteDeclined()
            | InviteRevoked() | InviteExpired()
        ):  # fmt: skip
            return {}
        case _:
            assert_never(event)


def _inviter_entries(event: InviterEvent) -> Entries:
    match event:
        case InviteAdmitted():
            key = f"{event.inviter_id}/{digest(event.email)}"
            return {ADMITTED_INVITES: {key: event.invite_id}}
        case BulkAdmitted():
            result = BulkResult(
                job_id=event.job_id, accepted=event.accepted, rejected=event.rejected
            )
            return {BULK_RESULTS: {event.job_id: result.model_dump_json()}}
        case InviterRegistered() | InviteClosed() | InviteeReleased():
            return {}
        case _:
            assert_never(event)


def _index(ref: IndexRef) -> Index[InviteEvent]:
    return Index(ref, lambda event: index_entries(event).get(ref, {}))


MODELS: Final = (
    Projection(INVITER_PROFILES, fold_inviter),
    Ordering(INVITES, fold_invite, boards, version=4),
    _index(INVITE_TOKENS),
    _index(UNSUBSCRIBE_TOKENS),
    _index(MAIL_MESSAGES),
    _index(BULK_RESULTS),
    _index(ADMITTED_INVITES),
)
