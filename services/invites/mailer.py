"""Send the mail that an invitation waits for: an intent in the log, the call, its result.

The log decides what is sent. A crash before the call or after its result loses nothing. A crash
during the call leaves a started mail without a result; after `SENDING_TIMEOUT` it is sent again,
and `SendingStarted.again` counts that it may have been sent twice.
"""

import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import IncomingCommand
from chassis.log.event_store import EventStore
from chassis.resilience.failpoint import failpoint
from chassis.run.metrics import GIVEN_UP
from contracts.addresses import mail_address
from contracts.invites import (
    GiveUpSending,
    InviteCommand,
    InviteEvent,
    InviteRequested,
    PostponeSending,
    Reason,
    RecordSent,
    StartSending,
    WithheldReason,
)
from contracts.messages import Metadata
from contracts.streams import INVITATIONS, SUPPRESSIONS
from contracts.tokens import token_digest
from invites.domain import INVITES, StreamState
from invites.invitation.mailing import Finished, Progress, Sending
from invites.invitation.state import Active, NotRequested, Record
from invites.mail import MailContent, MailProfile, compose
from invites.mail_metrics import MAILS
from invites.mail_provider import MailDeferred, MailProvider, MailRefused
from invites.recipient_budget import RecipientBudget
from invites.rules import SENDING_TIMEOUT
from invites.sending_rate import SendingRate
from invites.suppression import Suppressed
from invites.tokens import Tokens

MAX_REPEATS: Final = 7
"""Number of times that a mail without a result is started again; the recipient may get each."""
LONGEST_PATIENCE: Final = 3_600
"""Maximum number of seconds between two starts without a result."""
SENDING_STEPS: Final = ("before_intent", "before_mail", "after_mail", "after_result")
"""Failpoints between the steps of a mail, in order."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InvitationMailer:
    """Send the mails of invitations."""

    store: EventStore[InviteEvent]
    handler: CommandHandler[StreamState, InviteCommand, InviteEvent]
    provider: MailProvider
    rate: SendingRate
    budget: RecipientBudget
    tokens: Tokens
    profile: MailProfile
    timeout: int = SENDING_TIMEOUT
    """Seconds after which a started mail without a result is sent again."""
    clock: Callable[[], float] = field(default=time.time)

    async def send_due(self, invite_id: str, correlation_id: str) -> None:
        """Send the mail that this invitation waits for, if any."""
        record = await self._waiting(invite_id)
        if record is None:
            return
        if self._is_lost(record.mailing.progress):
            await self._give_up(record, "no_result", correlation_id)
            return
        withheld = await self._withheld(record)
        if withheld is None:
            await self.rate.wait()
        failpoint("before_intent")
        token, unsubscribe_token = self._tokens_of(record)
        start = StartSending(
            invite_id=invite_id,
            mail=record.mailing.number,
            token_hash=token_digest(token),
            unsubscribe_hash=token_digest(unsubscribe_token),
            withheld=withheld,
            patience=self._patience(record.mailing.progress),
        )
        if not await self._execute(start, correlation_id):
            return
        if withheld is not None:
            MAILS["withheld"] += 1
            return
        failpoint("before_mail")
        content = self._content(record, token, unsubscribe_token)
        message = self._compose(invite_id, content)
        if message is None:
            await self._give_up(record, "not_composed", correlation_id)
            return
        result = await self._send(record, message)
        if isinstance(result, GiveUpSending):
            await self._give_up(record, result.because, correlation_id)
        elif result is not None:
            await self._execute(result, correlation_id)
        failpoint("after_result")

    def _tokens_of(self, record: Record) -> tuple[str, str]:
        """Return the tokens of the mail; links that were mailed before keep working."""
        invite_id, mailing = record.request.invite_id, record.mailing
        return (
            self.tokens.invite(invite_id, mailing.token_generation, mailing.token_hash),
            self.tokens.unsubscribe(invite_id, mailing.unsubscribe_hash),
        )

    def _patience(self, progress: Progress) -> int:
        """Return the seconds after which a start without a result is repeated; they double."""
        if not isinstance(progress, Sending):
            return self.timeout
        doubled: int = self.timeout * 2**progress.repeats
        return max(self.timeout, min(doubled, LONGEST_PATIENCE))

    def _is_lost(self, progress: Progress) -> bool:
        """Return whether a mail was started so often without a result that it is given up."""
        if not isinstance(progress, Sending) or progress.repeats < MAX_REPEATS:
            return False
        return self.clock() >= progress.started_at + self._patience(progress)

    def _compose(self, invite_id: str, content: MailContent) -> bytes | None:
        """Return the mail, None if it cannot be composed: another attempt would fail as well."""
        try:
            return compose(self.profile, content).as_bytes()
        except Exception as error:  # noqa: BLE001  recorded as the end of this mail
            # not the error's text, which may contain an address
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(frame.filename).name}:{frame.lineno}"
            because = type(error).__name__
            log.error(  # noqa: TRY400  see above
                "mail_not_composed", invite=invite_id, because=because, at=where
            )
            return None

    async def _give_up(self, record: Record, because: str, correlation_id: str) -> None:
        """Record that the mail will not be sent, in the log, in the metrics and for the inviter."""
        invite_id, mail = record.request.invite_id, record.mailing.number
        command = GiveUpSending(invite_id=invite_id, mail=mail, because=because)
        if await self._execute(command, correlation_id):
            GIVEN_UP["mail", because] += 1
            MAILS["given_up"] += 1
            log.warning("mail_given_up", invite=invite_id, mail=mail, because=because)

    async def _send(
        self, record: Record, message: bytes
    ) -> RecordSent | PostponeSending | GiveUpSending | None:
        """Call the provider; return the command that records the result, None if it is unknown."""
        invite_id, mail = record.request.invite_id, record.mailing.number
        to = mail_address(record.request.email)
        try:
            message_id = await self.provider.send(
                to, message, {"invite": invite_id, "mail": str(mail)}
            )
        except MailDeferred as error:
            MAILS["postponed"] += 1
            return PostponeSending(invite_id=invite_id, mail=mail, because=str(error))
        except MailRefused as error:
            return GiveUpSending(invite_id=invite_id, mail=mail, because=str(error))
        except (BotoCoreError, ClientError, OSError, TimeoutError) as error:
            # the mail may have been sent: without a result it comes due again, and is counted
            MAILS["unknown"] += 1
            log.warning("mail_result_lost", invite=invite_id, because=type(error).__name__)
            return None
        MAILS["sent"] += 1
        failpoint("after_mail")
        return RecordSent(invite_id=invite_id, mail=mail, message_id=message_id)

    def _content(self, record: Record, token: str, unsubscribe_token: str) -> MailContent:
        request = record.request
        return MailContent(
            to=request.email,
            inviter=request.name,
            inviter_email=request.inviter_email,
            note=request.note,
            code=request.code,
            locale=request.locale,
            token=token,
            unsubscribe_token=unsubscribe_token,
            expires_at=record.expires_at,
            at=int(self.clock()),
            reminder=record.mailing.is_reminder,
        )

    async def _waiting(self, invite_id: str) -> Record | None:
        """Return the invitation's record if it is active and its mail has no result yet."""
        history = await self.store.load(INVITATIONS.stream(invite_id))
        invitation = INVITES.fold(history.events).invitation
        if not isinstance(invitation, Active):
            return None
        record = invitation.record
        return None if isinstance(record.mailing.progress, Finished) else record

    async def _withheld(self, record: Record) -> WithheldReason | None:
        """Return why the mail must not be sent, None if it may be."""
        suppression = await self._suppression(record.request)
        if suppression is not None:
            return suppression
        email = record.request.email
        keys = (self.tokens.address_key(email), *self.tokens.earlier_address_keys(email))
        mail = f"{record.request.invite_id}/{record.mailing.number}"
        if await self.budget.take(keys, mail, self.clock()):
            return None
        log.warning("mail_over_budget", invite=record.request.invite_id)
        return "budget"

    async def _suppression(self, request: InviteRequested) -> Reason | None:
        """Return why the person gets no mail, under any spelling of the address."""
        keys = self.tokens.address_keys(request.email)
        for key in dict.fromkeys((*keys, request.address_key)):
            history = await self.store.load(SUPPRESSIONS.stream(key))
            suppression = INVITES.fold(history.events).suppression
            if isinstance(suppression, Suppressed):
                return suppression.reason
        return None

    async def address_key(self, invite_id: str) -> str | None:
        """Return the digest of the invited person's address; None if there is no invitation."""
        history = await self.store.load(INVITATIONS.stream(invite_id))
        invitation = INVITES.fold(history.events).invitation
        if isinstance(invitation, NotRequested):
            return None
        return self.tokens.address_key(invitation.record.request.email)

    async def _execute(self, command: InviteCommand, correlation_id: str) -> bool:
        """Return whether the command was accepted.

        Its id is new each time: the stream knows what has been done already.
        """
        command_id = str(uuid.uuid4())
        metadata = Metadata(command_id=command_id, correlation_id=correlation_id, actor="invites")
        outcome = await self.handler.handle(IncomingCommand.internal(command, metadata))
        return outcome.state == "accepted"
