"""Decide on the recipient's answer to an invitation (pure)."""

from typing import assert_never

from chassis.decide.decider import DecisionContext, Rejected
from contracts.invites import (
    AcceptInvite,
    DeclineInvite,
    InvitationEvent,
    InviteAccepted,
    InviteDeclined,
    RecordSeat,
    ReservationWanted,
    SeatRefused,
    SeatReserved,
    Unsubscribe,
    Unsubscribed,
)
from contracts.rejections import INVITATION_EXPIRED, INVITATION_REPLACED, INVITATION_REVOKED
from invites.invitation.state import (
    Accepted,
    Active,
    Declined,
    Expired,
    Invitation,
    Record,
    Requested,
    Revoked,
    not_found,
    require_requested,
)
from invites.rules import InviteRules


def accept(
    invitation: Invitation, command: AcceptInvite, context: DecisionContext, rules: InviteRules
) -> list[InvitationEvent]:
    """Accept once; accepting again requests a seat again if it has lapsed or was refused."""
    match requested := _with_token(invitation, command.token_hash):
        case Active(record=record):
            _check_not_expired(record, context)
            accepted = InviteAccepted(
                invite_id=command.invite_id,
                inviter_id=record.request.inviter_id,
                accepted_at=context.at,
            )
            return [accepted, *_reservation(record, context)]
        case Accepted(record=record) as earlier:
            return _reservation(record, context) if _lapsed(earlier, context.at, rules) else []
        case Declined(record=record):
            _check_not_expired(record, context)
            raise Rejected(
                "You have declined this invitation already. "
                "If you have changed your mind, ask the person who invited you.",
                code="invite_declined",
            )
        case Revoked():
            raise _revoked()
        case Expired():
            raise _expired()
        case _:
            assert_never(requested)


def _lapsed(accepted: Accepted, at: int, rules: InviteRules) -> bool:
    if accepted.seat == "refused":
        pause, allowed = rules.seat_pause, accepted.attempts < rules.seat_attempts
        return allowed and at >= accepted.reservation_requested_at + pause
    return at >= accepted.reservation_requested_at + rules.reservation_seconds


def record_seat(
    invitation: Invitation, command: RecordSeat, context: DecisionContext
) -> list[InvitationEvent]:
    """Record what became of the seat of an accepted invitation, once for each request."""
    if not isinstance(invitation, Accepted):
        return []
    if command.refused is None:
        reserved = SeatReserved(invite_id=command.invite_id, reserved_at=context.at)
        return [] if invitation.seat == "reserved" else [reserved]
    if invitation.seat == "refused":
        return []
    request = invitation.record.request
    refused = SeatRefused(
        invite_id=command.invite_id,
        inviter_id=request.inviter_id,
        email=request.email,
        code=command.refused,
        refused_at=context.at,
    )
    return [refused]


def decline(
    invitation: Invitation, command: DeclineInvite, context: DecisionContext
) -> list[InvitationEvent]:
    match requested := _with_token(invitation, command.token_hash):
        case Active(record=record):
            _check_not_expired(record, context)
            return [
                InviteDeclined(
                    invite_id=command.invite_id,
                    inviter_id=record.request.inviter_id,
                    declined_at=context.at,
                )
            ]
        case Declined():
            return []
        case Accepted(record=record):
            _check_not_expired(record, context)
            raise Rejected(
                "You have accepted this invitation already, so it can no longer be declined.",
                code="invite_accepted",
            )
        case Revoked():
            raise _revoked()
        case Expired():
            raise _expired()
        case _:
            assert_never(requested)


def unsubscribe(
    invitation: Invitation, command: Unsubscribe, context: DecisionContext
) -> list[InvitationEvent]:
    """Unsubscribe the address in every phase: the link of an old mail keeps working."""
    record = require_requested(invitation).record
    if record.mailing.unsubscribe_hash != command.token_hash:
        raise not_found()
    if record.unsubscribed:
        return []
    return [
        Unsubscribed(
            invite_id=command.invite_id,
            unsubscribed_at=context.at,
            address_key=record.request.address_key,
        )
    ]


def _with_token(invitation: Invitation, token_hash: str) -> Requested:
    requested = require_requested(invitation)
    if requested.record.mailing.token_hash != token_hash:
        raise Rejected(
            INVITATION_REPLACED,
            code="token_replaced",
            kind="gone",
        )
    return requested


def _check_not_expired(record: Record, context: DecisionContext) -> None:
    if context.at >= record.expires_at:
        raise _expired()


def _reservation(record: Record, context: DecisionContext) -> list[InvitationEvent]:
    request = record.request
    if request.code is None:
        return []
    return [
        ReservationWanted(
            invite_id=request.invite_id,
            inviter_id=request.inviter_id,
            code=request.code,
            email=request.email,
            wanted_at=context.at,
        )
    ]


def _revoked() -> Rejected:
    return Rejected(
        INVITATION_REVOKED,
        code="invite_revoked",
        kind="gone",
    )


def _expired() -> Rejected:
    return Rejected(
        INVITATION_EXPIRED,
        code="invite_expired",
        kind="gone",
    )
