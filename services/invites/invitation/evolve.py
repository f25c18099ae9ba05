"""Apply the events of an invitation to its state (pure)."""

from dataclasses import replace
from typing import assert_never

from contracts.invites import (
    InvitationEvent,
    InviteAccepted,
    InviteBounced,
    InviteComplained,
    InviteDeclined,
    InviteDelayed,
    InviteDelivered,
    InviteExpired,
    InviteReminded,
    InviteRequested,
    InviteResent,
    InviteRevoked,
    InviteSent,
    MailWithheld,
    ReservationWanted,
    SeatRefused,
    SeatReserved,
    SendingFailed,
    SendingPostponed,
    SendingStarted,
    Unsubscribed,
)
from invites.invitation import mailing
from invites.invitation.state import (
    Accepted,
    Active,
    Declined,
    Expired,
    Invitation,
    NotRequested,
    Record,
    Requested,
    Revoked,
)


def evolve(invitation: Invitation, event: InvitationEvent) -> Invitation:
    if isinstance(invitation, NotRequested):
        # without its request, no other event says anything about an invitation
        return _request(event) if isinstance(event, InviteRequested) else invitation
    return _evolve(invitation, event)


def _request(event: InviteRequested) -> Active:
    return Active(Record(event, expires_at=event.expires_at))


def _evolve(invitation: Requested, event: InvitationEvent) -> Requested:
    record = invitation.record
    match event:
        case InviteRequested():
            return _request(event)
        case InviteResent():
            return Active(_resend(record, event))
        case InviteReminded():
            reminded = replace(record, mailing=mailing.evolve(record.mailing, event), reminded=True)
            return replace(invitation, record=reminded)
        case (
            SendingStarted() | InviteSent() | MailWithheld() | SendingPostponed() | SendingFailed()
        ):
            sending = replace(record, mailing=mailing.evolve(record.mailing, event))
            if isinstance(event, SendingFailed) and event.feedback_id:
                sending = _feedback(sending, event.feedback_id)
            return replace(invitation, record=sending)
        case InviteDelivered() | InviteDelayed():
            return replace(invitation, record=_feedback(record, event.feedback_id))
        case InviteBounced():
            bounced = _feedback(record, event.feedback_id, unwanted=event.permanent)
            return replace(invitation, record=bounced)
        case InviteComplained():
            complained = _feedback(record, event.feedback_id, unwanted=True)
            return replace(invitation, record=complained)
        case Unsubscribed():
            unsubscribed = replace(record, unwanted=True, unsubscribed=True)
            return replace(invitation, record=unsubscribed)
        case InviteAccepted():
            return Accepted(record)
        case ReservationWanted() | SeatReserved() | SeatRefused():
            return _seat(invitation, event) if isinstance(invitation, Accepted) else invitation
        case InviteDeclined():
            return Declined(record)
        case InviteRevoked():
            return Revoked(record)
        case InviteExpired():
            return Expired(record)
        case _:
            assert_never(event)


def _resend(record: Record, event: InviteResent) -> Record:
    return replace(
        record,
        mailing=mailing.evolve(record.mailing, event),
        expires_at=event.expires_at,
        resends=record.resends + 1,
        last_resent_at=event.resent_at,
    )


def _feedback(record: Record, feedback_id: str, *, unwanted: bool = False) -> Record:
    return replace(
        record,
        feedback=record.feedback | {feedback_id},
        unwanted=record.unwanted or unwanted,
    )


def _seat(accepted: Accepted, event: ReservationWanted | SeatReserved | SeatRefused) -> Accepted:
    match event:
        case ReservationWanted():
            return replace(
                accepted,
                reservation_requested_at=event.wanted_at,
                seat="pending",
                attempts=accepted.attempts + 1,
            )
        case SeatReserved():
            return replace(accepted, seat="reserved", attempts=0)
        case SeatRefused():
            return replace(accepted, seat="refused")
        case _:
            assert_never(event)
