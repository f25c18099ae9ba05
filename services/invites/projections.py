"""What readers see: inviters, their invitations, bulk results, and whose a token is."""

from collections.abc import Mapping
from typing import Any, Final

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
    InviteAccepted,
    InviteAdmitted,
    InviteBounced,
    InviteComplained,
    InviteDeclined,
    InviteDelivered,
    InviteEvent,
    InviteExpired,
    InviteReminded,
    InviteRequested,
    InviteResent,
    InviteRevoked,
    InviterRegistered,
    InviterView,
    InviteSent,
    InviteView,
    MailWithheld,
    SendingFailed,
    SendingPostponed,
    SendingStarted,
    Unsubscribed,
)
from invites.state import PATIENCE, RULES

DUE_BOARD: Final = "due"
_OPEN: Final = ("requested", "sent", "delivered", "bounced", "failed")


def fold(view: InviterView | None, event: InviteEvent) -> InviterView | None:
    if isinstance(event, InviterRegistered):
        return InviterView(member_id=event.member_id, registered_at=event.registered_at)
    return view


def fold_invite(view: InviteView | None, event: InviteEvent) -> InviteView | None:
    if isinstance(event, InviteRequested):
        return InviteView(
            invite_id=event.invite_id,
            inviter_id=event.inviter_id,
            email=event.email,
            inviter=event.name or masked(event.inviter_email),
            code=event.code,
            requested_at=event.requested_at,
            expires_at=event.expires_at,
            timeline=(Happening(what="requested", at=event.requested_at),),
            due_at=event.requested_at + PATIENCE,
        )
    if view is None:
        return None
    changes = _changed(view, event)
    if view.state not in _OPEN and not isinstance(event, InviteResent):
        changes.pop("due_at", None)  # it has come to its end, whatever is told late
    return view.model_copy(update=changes)


def _changed(  # noqa: C901, PLR0911, PLR0912  one line for each event
    view: InviteView, event: InviteEvent
) -> dict[str, Any]:
    match event:
        case SendingStarted():
            return {"token_hash": event.token_hash, "due_at": event.started_at + PATIENCE}
        case SendingPostponed():
            return {"due_at": event.until}
        case InviteSent():
            reminder = _reminder(view, event.sent_at)
            return _happened(view, "sent", event.sent_at, due_at=reminder)
        case MailWithheld():  # told as sent: who gets no mail is nobody's business
            return _happened(view, "sent", event.withheld_at, due_at=view.expires_at)
        case SendingFailed():
            return _happened(view, "failed", event.failed_at, due_at=view.expires_at)
        case InviteDelivered():
            return _happened(view, "delivered", event.delivered_at)
        case InviteBounced():
            return _happened(view, "bounced" if event.permanent else None, event.bounced_at,
                             what="bounced")  # fmt: skip
        case InviteResent():
            line = Happening(what="resent", at=event.resent_at)
            return {
                "state": "requested", "token_hash": "", "expires_at": event.expires_at,
                "timeline": (*view.timeline, line), "due_at": event.resent_at + PATIENCE,
            }  # fmt: skip
        case InviteReminded():
            return _happened(view, None, event.reminded_at, what="reminded",
                             due_at=event.reminded_at + PATIENCE)  # fmt: skip
        case InviteAccepted():
            return _happened(view, "accepted", event.accepted_at, due_at=None)
        case InviteDeclined():
            return _happened(view, "declined", event.declined_at, due_at=None)
        case InviteRevoked():
            return _happened(view, "revoked", event.revoked_at, due_at=None)
        case InviteExpired():
            return _happened(view, "expired", event.expired_at, due_at=None)
        case InviteComplained() | Unsubscribed():  # whoever does not want mail is not told on
            return {"due_at": view.due_at and view.expires_at}
        case _:
            return {}


def _reminder(view: InviteView, sent_at: int) -> int:
    if any(line.what in ("reminded", "bounced") for line in view.timeline):
        return view.expires_at
    first = next((line.at for line in view.timeline if line.what == "sent"), sent_at)
    return min(first + RULES.remind_after, view.expires_at)


_ORDER: Final = {state: place for place, state in enumerate(_OPEN)}


def _happened(
    view: InviteView, state: str | None, at: int, what: str = "", **changes: Any
) -> dict[str, Any]:
    """News of a mail may come in any order and late: they never undo what is known already."""
    changes["timeline"] = (*view.timeline, Happening(what=what or str(state), at=at))
    news = state in _ORDER
    if state is not None and (
        not news or (view.state in _ORDER and _ORDER[state] >= _ORDER[view.state])
    ):
        changes["state"] = state
    return changes


def boards(view: InviteView) -> Mapping[str, float | None]:
    due = None if view.due_at is None else float(view.due_at)
    return {f"inviter-{view.inviter_id}": float(view.requested_at), DUE_BOARD: due}


def token_entries(event: InviteEvent) -> Mapping[str, str | None]:
    match event:
        case SendingStarted():
            return {event.token_hash: f"invite-{event.invite_id}"}
        case _:
            return {}


def unsubscribe_entries(event: InviteEvent) -> Mapping[str, str | None]:
    match event:
        case SendingStarted():
            return {event.unsubscribe_hash: f"invite-{event.invite_id}"}
        case _:
            return {}


def admitted_entries(event: InviteEvent) -> Mapping[str, str | None]:
    match event:
        case InviteAdmitted():
            return {f"{event.inviter_id}/{digest(event.email)}": event.invite_id}
        case _:
            return {}


def message_entries(event: InviteEvent) -> Mapping[str, str | None]:
    match event:
        case InviteSent():
            return {event.message_id: f"invite-{event.invite_id}"}
        case _:
            return {}


def bulk_entries(event: InviteEvent) -> Mapping[str, str | None]:
    match event:
        case BulkAdmitted():
            result = BulkResult(
                job_id=event.job_id, accepted=event.accepted, rejected=event.rejected
            )
            return {event.job_id: result.model_dump_json()}
        case _:
            return {}


INVITER_VIEWS = Projection(INVITER_PROFILES, fold)
INVITE_VIEWS = Ordering(INVITES, fold_invite, boards)
TOKENS = Index(INVITE_TOKENS, token_entries)
UNSUBSCRIBES = Index(UNSUBSCRIBE_TOKENS, unsubscribe_entries)
MESSAGES = Index(MAIL_MESSAGES, message_entries)
BULKS = Index(BULK_RESULTS, bulk_entries)
ADMITTED = Index(ADMITTED_INVITES, admitted_entries)
MODELS = (INVITER_VIEWS, INVITE_VIEWS, TOKENS, UNSUBSCRIBES, MESSAGES, BULKS, ADMITTED)
