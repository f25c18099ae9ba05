"""Handle the notifications that SES sends about mails."""

import uuid
from dataclasses import dataclass
from typing import Any, Final

import structlog
from faststream.exceptions import RejectMessage
from pydantic import ValidationError

from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import IncomingCommand, UnreadableMessage
from chassis.resilience.outage import retry_through_outage
from chassis.run.deliveries import read_or_reject
from chassis.views.read_models import ReadModels
from contracts.invites import MAIL_MESSAGES, InviteCommand, RecordFeedback
from contracts.messages import Metadata
from contracts.streams import INVITATIONS
from faststream_sqs import SQSMessage
from invites.feedback import Feedback, InvalidFeedback, parse_feedback

Handler = CommandHandler[Any, InviteCommand, Any]

_FEEDBACK_COMMANDS: Final = uuid.UUID("e2a4a8d6-9f1e-5d0c-8b5e-2f6d1a7f0c12")

log = structlog.get_logger(__name__)


class UnknownMail(LookupError):
    """No invitation is known to have sent this mail: it is too early, or the mail is not ours."""


@dataclass(frozen=True, slots=True)
class FeedbackHandler:
    """Record SES feedback about a mail in the invitation that sent it."""

    handler: Handler
    models: ReadModels

    async def handle(self, message: SQSMessage) -> None:
        """Handle a notification of SES.

        Raises:
            UnknownMail: the mail is not known yet; SQS redelivers the message, and moves it to the
                dead-letter queue in the end.
            RejectMessage: the notification is malformed, or its tag names no invitation.
        """
        feedback = read_or_reject(_parse, message)
        if feedback is None:
            return
        command = await self._command(feedback)
        command_id = str(uuid.uuid5(_FEEDBACK_COMMANDS, f"{command.stream}/{feedback.feedback_id}"))
        metadata = Metadata(command_id=command_id, correlation_id=command_id, actor="ses")
        await self.handler.handle(IncomingCommand.internal(command, metadata))

    async def _command(self, feedback: Feedback) -> RecordFeedback:
        try:
            return RecordFeedback(
                invite_id=await self._invite_id(feedback),
                feedback_id=feedback.feedback_id,
                kind=feedback.kind,
                permanent=feedback.permanent,
                at=feedback.at,
                mail=feedback.mail or None,
                because=feedback.because,
            )
        except ValidationError as error:
            log.warning(
                "feedback_without_invitation", message_id=feedback.message_id, kind=feedback.kind
            )
            raise RejectMessage(reason="no invitation has sent this mail") from error

    async def _invite_id(self, feedback: Feedback) -> str:
        if feedback.invite_id:
            return feedback.invite_id
        stream = await retry_through_outage(
            lambda: self.models.entry(MAIL_MESSAGES, feedback.message_id)
        )
        if stream is None:
            raise UnknownMail(feedback.message_id)
        return INVITATIONS.key(stream)


def _parse(message: SQSMessage) -> Feedback | None:
    try:
        return parse_feedback(bytes(message.body))
    except InvalidFeedback as error:
        raise UnreadableMessage(str(error)) from error
