"""Decide how an invitation begins, is repeated, and ends without an answer (pure)."""

from typing import assert_never

from chassis.decide.decider import DecisionContext, Rejected
from contracts.invites import (
    InvitationEvent,
    InviteExpired,
    InviteReminded,
    InviteRequested,
    InviteResent,
    InviteRevoked,
    RequestInvite,
    ResendInvite,
    RevokeInvite,
    TendInvite,
)
from invites.invitation.mailing import Finished
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
    not_found,
    require_requested,
)
from invites.rules import HOUR, InviteRules


def request(
    invitation: Invitation, command: RequestInvite, context: DecisionContext, rules: InviteRules
) -> list[InvitationEvent]:
    if not isinstance(invitation, NotRequested):
        return []
    return [
        InviteRequested(
            invite_id=command.invite_id,
            inviter_id=command.inviter_id,
            inviter_email=command.inviter_email,
            email=command.email,
            address_key=command.address_key,
            note=command.note,
            locale=command.locale,
            name=command.name,
            code=command.code,
            requested_at=context.at,
            expires_at=context.at + rules.expire_after,
        )
    ]


def resend(
    invitation: Invitation, command: ResendInvite, context: DecisionContext, rules: InviteRules
) -> list[InvitationEvent]:
    """Send the invitation again with a new token and expiry, even after it has expired."""
    record = _resendable(_owned_by(command.inviter_id, invitation)).record
    if record.resends >= rules.resends:
        raise Rejected(
            f"An invitation can be resent {rules.resends} times at most. "
            "Once it has expired or you have revoked it, send a new one.",
            code="resent_out",
        )
    allowed_at = max(record.request.requested_at, record.last_resent_at) + rules.resend_pause
    if context.at < allowed_at:
        hours = -(-(allowed_at - context.at) // HOUR)
        raise Rejected(
            f"This invitation was mailed recently. Wait {hours} h before you resend it.",
            code="resent_lately",
        )
    return [
        InviteResent(
            invite_id=command.invite_id,
            mail=record.mailing.number + 1,
            resent_at=context.at,
            expires_at=context.at + rules.expire_after,
        )
    ]


def _resendable(invitation: Requested) -> Active | Expired:
    match invitation:
        case Active() | Expired():
            return invitation
        case Accepted():
            raise Rejected(
                "This invitation has been accepted, so there is no need to resend it.",
                code="invite_accepted",
            )
        case Declined():
            raise Rejected(
                "This invitation has been declined, so it cannot be resent.",
                code="invite_declined",
            )
        case Revoked():
            raise Rejected(
                "This invitation has been revoked. Send a new one instead.", code="invite_revoked"
            )
        case _:
            assert_never(invitation)


def revoke(
    invitation: Invitation, command: RevokeInvite, context: DecisionContext
) -> list[InvitationEvent]:
    owned = _owned_by(command.inviter_id, invitation)
    match owned:
        case Revoked():
            return []
        case Active():
            return [
                InviteRevoked(
                    invite_id=command.invite_id,
                    inviter_id=command.inviter_id,
                    revoked_at=context.at,
                )
            ]
        case Accepted():
            raise _answered("accepted")
        case Declined():
            raise _answered("declined")
        case Expired():
            raise Rejected(
                "This invitation has expired already, so there is nothing to revoke.",
                code="invite_expired",
            )
        case _:
            assert_never(owned)


def _answered(answer: str) -> Rejected:
    return Rejected(
        f"This invitation has been {answer} already and can no longer be revoked.",
        code=f"invite_{answer}",
    )


def process_due(
    invitation: Invitation, command: TendInvite, context: DecisionContext, rules: InviteRules
) -> list[InvitationEvent]:
    """Expire an unanswered invitation, or remind its recipient once, when the time has come."""
    requested = require_requested(invitation)
    if not isinstance(requested, Active):
        return []
    record = requested.record
    if context.at >= record.expires_at:
        inviter_id = record.request.inviter_id
        return [
            InviteExpired(invite_id=command.invite_id, inviter_id=inviter_id, expired_at=context.at)
        ]
    if not _reminder_due(record, context.at, rules):
        return []
    mail = record.mailing.number + 1
    return [InviteReminded(invite_id=command.invite_id, mail=mail, reminded_at=context.at)]


def _reminder_due(record: Record, at: int, rules: InviteRules) -> bool:
    first_sent_at = record.mailing.first_sent_at
    if record.reminded or record.unwanted or first_sent_at is None:
        return False
    finished = isinstance(record.mailing.progress, Finished)
    return finished and at >= first_sent_at + rules.remind_after


def _owned_by(inviter_id: str, invitation: Invitation) -> Requested:
    requested = require_requested(invitation)
    if requested.record.request.inviter_id != inviter_id:
        raise not_found()
    return requested
