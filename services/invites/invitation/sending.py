"""Decide about the mails of an invitation: their start, their result, and their feedback (pure)."""

from typing import assert_never

from chassis.decide.decider import DecisionContext, Rejected
from contracts.invites import (
    GiveUpSending,
    InvitationEvent,
    InviteBounced,
    InviteComplained,
    InviteDelayed,
    InviteDelivered,
    InviteSent,
    MailWithheld,
    PostponeSending,
    RecordFeedback,
    RecordSent,
    SendingFailed,
    SendingPostponed,
    SendingStarted,
    StartSending,
)
from invites.invitation.mailing import Finished, Mailing, Sending, Waiting
from invites.invitation.state import Active, Invitation, Record, require_requested
from invites.rules import InviteRules

MAX_DOUBLINGS = 20
"""Doublings of the retry pause; far beyond the longest pause, it keeps the numbers small."""


def start(
    invitation: Invitation, command: StartSending, context: DecisionContext
) -> list[InvitationEvent]:
    """Start the mail, or withhold it if the address gets no mail."""
    mailing = _mailing_to_start(invitation, command, context)
    if command.withheld is not None:
        return [
            MailWithheld(
                invite_id=command.invite_id,
                mail=command.mail,
                reason=command.withheld,
                withheld_at=context.at,
            )
        ]
    return [
        SendingStarted(
            invite_id=command.invite_id,
            mail=command.mail,
            token_hash=command.token_hash,
            unsubscribe_hash=command.unsubscribe_hash,
            started_at=context.at,
            again=isinstance(mailing.progress, Sending),
        )
    ]


def _mailing_to_start(
    invitation: Invitation, command: StartSending, context: DecisionContext
) -> Mailing:
    record = require_requested(invitation).record
    mailing = record.mailing
    replaced = command.mail != mailing.number
    if not isinstance(invitation, Active) or replaced or context.at >= record.expires_at:
        raise _not_wanted()
    match mailing.progress:
        case Waiting(not_before=not_before):
            if context.at < not_before:
                raise Rejected("This mail was postponed. Try again later.", code="postponed")
        case Sending(started_at=started_at):
            if context.at < started_at + command.patience:
                raise Rejected(
                    "This mail is being sent already. Wait for the result.", code="under_way"
                )
        case Finished():
            raise _not_wanted()
        case _:
            assert_never(mailing.progress)
    return mailing


def _not_wanted() -> Rejected:
    return Rejected(
        "This mail is no longer needed. Load the invitation to see which mail is.",
        code="not_wanted",
    )


def record_sent(
    invitation: Invitation, command: RecordSent, context: DecisionContext
) -> list[InvitationEvent]:
    """Record a fact: it counts in every phase of the invitation."""
    if _has_result(invitation, command.mail):
        return []
    return [
        InviteSent(
            invite_id=command.invite_id,
            mail=command.mail,
            message_id=command.message_id,
            sent_at=context.at,
        )
    ]


def postpone(
    invitation: Invitation, command: PostponeSending, context: DecisionContext, rules: InviteRules
) -> list[InvitationEvent]:
    """Retry after an exponential backoff with up to a quarter of jitter."""
    if _has_result(invitation, command.mail):
        return []
    progress = require_requested(invitation).record.mailing.progress
    retries = 0 if isinstance(progress, Finished) else progress.retries
    pause = min(rules.first_pause * 2 ** min(retries, MAX_DOUBLINGS), rules.longest_pause)
    jitter = pause * context.entropy[0] // 1024
    return [
        SendingPostponed(
            invite_id=command.invite_id,
            mail=command.mail,
            because=command.because,
            postponed_at=context.at,
            until=context.at + pause + jitter,
        )
    ]


def give_up(
    invitation: Invitation, command: GiveUpSending, context: DecisionContext
) -> list[InvitationEvent]:
    if _has_result(invitation, command.mail):
        return []
    return [
        SendingFailed(
            invite_id=command.invite_id,
            mail=command.mail,
            because=command.because,
            failed_at=context.at,
        )
    ]


def _has_result(invitation: Invitation, mail: int) -> bool:
    return mail <= require_requested(invitation).record.mailing.finished


def record_feedback(invitation: Invitation, command: RecordFeedback) -> list[InvitationEvent]:
    """Record each feedback once, in whatever order it arrives."""
    record = require_requested(invitation).record
    if command.feedback_id in record.feedback:
        return []
    mail = command.mail or max(record.mailing.finished, 1)
    if command.kind == "rejected" and mail < record.mailing.number:
        return []  # a newer mail replaces this one
    return [_feedback(record, command, mail)]


def _feedback(
    record: Record, command: RecordFeedback, mail: int
) -> InviteDelivered | InviteDelayed | InviteBounced | SendingFailed | InviteComplained:
    match command.kind:
        case "delayed":
            return InviteDelayed(
                invite_id=command.invite_id,
                feedback_id=command.feedback_id,
                because=command.because,
                delayed_at=command.at,
            )
        case "rejected":
            return SendingFailed(
                invite_id=command.invite_id,
                mail=mail,
                because=command.because,
                failed_at=command.at,
                feedback_id=command.feedback_id,
            )
        case "delivered":
            return InviteDelivered(
                invite_id=command.invite_id,
                feedback_id=command.feedback_id,
                delivered_at=command.at,
            )
        case "bounced":
            return InviteBounced(
                invite_id=command.invite_id,
                feedback_id=command.feedback_id,
                permanent=command.permanent,
                bounced_at=command.at,
                address_key=record.request.address_key,
                because=command.because,
            )
        case "complained":
            return InviteComplained(
                invite_id=command.invite_id,
                feedback_id=command.feedback_id,
                complained_at=command.at,
                address_key=record.request.address_key,
            )
        case _:
            assert_never(command.kind)
