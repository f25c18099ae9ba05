"""Bus in: commands, what accounts and our own streams tell, and what SES tells of our mails."""

import uuid
from dataclasses import dataclass
from typing import Annotated, assert_never

import structlog
from faststream.exceptions import RejectMessage
from pydantic import Field, ValidationError

from chassis.bus.announcements import EventReader, IncomingEvent
from chassis.bus.commands import CommandReader, CommandSender, IncomingCommand, Unreadable
from chassis.resilience.outage import retry_through_outage
from chassis.run.service import Application, read_or_reject
from chassis.views.read_models import ReadModels
from contracts.invites import (
    MAIL_MESSAGES,
    CloseInvite,
    InviteAccepted,
    InviteAdmitted,
    InviteBounced,
    InviteCommand,
    InviteComplained,
    InviteDeclined,
    InviteEvent,
    InviteExpired,
    InviteReminded,
    InviteRequested,
    InviteResent,
    InviteRevoked,
    RecordFeedback,
    RegisterInviter,
    RequestInvite,
    ReservationWanted,
    SuppressAddress,
    TendInvite,
    Unsubscribed,
)
from contracts.messages import Metadata
from contracts.referrals import AccountOpened, ReserveReferral
from faststream_sqs import SQSMessage
from invites.domain import StreamState
from invites.feedback import Feedback, InvalidFeedback, parse_feedback
from invites.mailer import InvitationMailer
from invites.tokens import Tokens

Ours = Application[StreamState, InviteCommand, InviteEvent]
Own = (
    InviteAdmitted | InviteRequested | InviteResent | InviteReminded | InviteAccepted
    | ReservationWanted | InviteDeclined | InviteRevoked | InviteExpired | InviteBounced
    | InviteComplained | Unsubscribed
)  # fmt: skip
Heard = AccountOpened | Own
HEARD = Annotated[Heard, Field(discriminator="type")]
_FEEDBACK = uuid.UUID("e2a4a8d6-9f1e-5d0c-8b5e-2f6d1a7f0c12")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the reactions work with beside the application."""

    mailer: InvitationMailer
    tokens: Tokens
    referrals: CommandSender
    feedback_queue: str


def listen(application: Ours, parts: Parts) -> None:
    commands = CommandReader[InviteCommand](InviteCommand)
    events = EventReader[Heard](HEARD)
    models = ReadModels(application.resources.redis)

    @application.commands
    async def on_command(message: SQSMessage) -> None:
        incoming = read_or_reject(commands.read, message)
        await application.handler.handle(incoming)
        if isinstance(incoming.command, TendInvite):
            command = incoming.command
            await _post(parts, command.invite_id, incoming.metadata.correlation_id)

    @application.announcements
    async def on_event(message: SQSMessage) -> None:
        await react(application, parts, read_or_reject(events.read, message))

    @application.resources.broker.subscriber(
        parts.feedback_queue,
        max_workers=application.settings.max_workers,
        wait_time_seconds=application.settings.receive_wait_seconds,
    )
    async def on_feedback(message: SQSMessage) -> None:
        told = read_or_reject(read_feedback, message)
        if told is not None:
            await keep(application, models, told)


async def react(application: Ours, parts: Parts, heard: IncomingEvent[Heard]) -> None:
    """What one stream's fact means for another's, for a mailbox, or for another service."""
    for number, command in enumerate(reactions(heard.event, parts.tokens)):
        metadata = heard.metadata
        if number:  # a second reaction to one event is another command
            name = str(uuid.uuid5(_FEEDBACK, f"{metadata.command_id}/{number}"))
            metadata = metadata.model_copy(update={"command_id": name})
        incoming = IncomingCommand(command, metadata, command.body_hash, heard.redelivered)
        await application.handler.handle(incoming)
    match heard.event:
        case InviteRequested() | InviteResent() | InviteReminded():
            await _post(parts, heard.event.invite_id, heard.metadata.correlation_id)
        case ReservationWanted():
            event = heard.event
            wish = ReserveReferral(
                member_id=event.inviter_id, code=event.code, invited_user=event.email
            )
            await retry_through_outage(lambda: parts.referrals.send(wish, heard.metadata))
        case _:
            pass


def reactions(  # noqa: C901, PLR0911  one line for each event
    event: Heard, tokens: Tokens
) -> list[InviteCommand]:
    match event:
        case AccountOpened():
            # whoever has an account is not invited; nobody outside is told so
            return [
                RegisterInviter(member_id=event.member_id, email=event.email),
                SuppressAddress(address_key=tokens.address_key(event.email), reason="member"),
            ]
        case InviteAdmitted():
            return [
                RequestInvite(
                    invite_id=event.invite_id,
                    inviter_id=event.inviter_id,
                    inviter_email=event.inviter_email,
                    email=event.email,
                    address_key=tokens.address_key(event.email),
                    note=event.note,
                    locale=event.locale,
                    name=event.name,
                    code=event.code,
                )
            ]
        case InviteAccepted():
            return [_close(event, "accepted")]
        case InviteDeclined():
            return [_close(event, "declined")]
        case InviteRevoked():
            return [_close(event, "revoked")]
        case InviteExpired():
            return [_close(event, "expired")]
        case InviteBounced():
            if not event.permanent:
                return []
            return [SuppressAddress(address_key=event.address_key, reason="bounce")]
        case InviteComplained():
            return [SuppressAddress(address_key=event.address_key, reason="complaint")]
        case Unsubscribed():
            return [SuppressAddress(address_key=event.address_key, reason="unsubscribe")]
        case InviteRequested() | InviteResent() | InviteReminded() | ReservationWanted():
            return []
        case _:
            assert_never(event)


def _close(
    event: InviteAccepted | InviteDeclined | InviteRevoked | InviteExpired, ending: str
) -> CloseInvite:
    return CloseInvite.model_validate(
        {"inviterId": event.inviter_id, "inviteId": event.invite_id, "ending": ending}
    )


def read_feedback(message: SQSMessage) -> Feedback | None:
    try:
        return parse_feedback(bytes(message.body))
    except InvalidFeedback as error:
        raise Unreadable(str(error)) from error


class UnknownMail(LookupError):
    """No invitation is known to have sent this mail: it may be too early, or not one of ours."""


async def keep(application: Ours, models: ReadModels, told: Feedback) -> None:
    """Write feedback down, once, in the invitation that it is about.

    Raises:
        UnknownMail: not yet known; the message comes again, and in the end is a dead letter.
        RejectMessage: its tag names no invitation, which no waiting mends.
    """
    stream = told.invite_id and f"invite-{told.invite_id}"
    stream = stream or await retry_through_outage(
        lambda: models.entry(MAIL_MESSAGES, told.message_id)
    )
    if stream is None:
        raise UnknownMail(told.message_id)
    try:
        command = RecordFeedback(
            invite_id=stream.removeprefix("invite-"),
            feedback_id=told.feedback_id,
            kind=told.kind,
            permanent=told.permanent,
            at=told.at,
        )
    except ValidationError as error:
        log.warning("feedback_of_no_invitation", message_id=told.message_id, kind=told.kind)
        raise RejectMessage from error
    command_id = str(uuid.uuid5(_FEEDBACK, f"{stream}/{told.feedback_id}"))
    metadata = Metadata(command_id=command_id, correlation_id=command_id, actor="ses")
    await application.handler.handle(
        IncomingCommand(command, metadata, command.body_hash, redelivered=False)
    )


async def _post(parts: Parts, invite_id: str, correlation_id: str) -> None:
    await retry_through_outage(lambda: parts.mailer.send_due(invite_id, correlation_id))
