"""Sends the mail that an invitation waits for: an intent in the log, the call, its result.

The log decides what goes out. A crash before the call or after its result costs nothing; inside of
the call it leaves an intent without an end, which is tried again when its patience is over, and
counted (`SendingStarted.again`). Nothing is lost: whatever is open comes due.
"""

import asyncio
import math
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
)

from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import IncomingCommand
from chassis.log.event_store import EventStore
from chassis.resilience.failpoint import failpoint
from contracts.invites import (
    GiveUpSending,
    InvitationStreamCommand,
    InviteCommand,
    InviteEvent,
    PostponeSending,
    Reason,
    RecordSent,
    StartSending,
)
from contracts.messages import Metadata
from contracts.tokens import token_digest
from invites.domain import INVITES
from invites.mail import Content, Sender, compose
from invites.state import PATIENCE, Letter, Stream
from invites.tokens import Tokens

SENDING_ROAD: Final = ("before_intent", "before_mail", "after_mail", "after_result")
"""The places between every two steps of a mail, in their order."""
QUOTA_SECONDS: Final = 3_600
CALL_SECONDS: Final = 30
"""Well below the patience: nobody tries again while a call is still out."""

_BUSY: Final = frozenset(
    {
        "TooManyRequestsException",
        "ThrottlingException",
        "Throttling",
        "LimitExceededException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SendingPausedException",
        "AccountSuspendedException",
        "MailFromDomainNotVerifiedException",
        "ExpiredTokenException",
        "AccessDeniedException",
    }
)
"""Refused as a whole, for a reason that passes or that an operator takes away."""
_NEVER: Final = frozenset({"MessageRejected", "BadRequestException"})

log = structlog.get_logger(__name__)


class NotNow(Exception):
    """The mail system cannot take it now; it certainly was not sent."""


class Refused(Exception):
    """The mail system will never take it."""


class MailSystem(Protocol):
    async def send(self, to: str, message: bytes, tags: dict[str, str]) -> str:
        """The message id.

        Raises:
            NotNow: later.
            Refused: never.
        """


@dataclass(slots=True)
class SES:
    """SES v2; its client is open while `run` runs."""

    open_client: Callable[[], AbstractAsyncContextManager[Any]]
    mail_from: str
    configuration_set: str
    on_rate: Callable[[float], None] = lambda _rate: None
    """Told how many mails a second the account may send, at the start and every hour."""
    _client: "asyncio.Future[Any] | None" = None

    def _opened(self) -> "asyncio.Future[Any]":
        if self._client is None:
            self._client = asyncio.get_running_loop().create_future()
        return self._client

    async def run(self) -> None:
        async with self.open_client() as client:
            self._opened().set_result(client)
            while True:
                await self._look_at_quota(client)
                await asyncio.sleep(QUOTA_SECONDS)

    async def _look_at_quota(self, client: Any) -> None:
        """Without an answer the rate of the settings holds, and SES says so when it is too fast."""
        try:
            account = await client.get_account()
        except (BotoCoreError, ClientError) as error:
            log.warning("mail_quota_unknown", because=type(error).__name__)
            return
        rate = account.get("SendQuota", {}).get("MaxSendRate", -1)
        if rate > 0:  # -1: no limit
            self.on_rate(float(rate))

    async def send(self, to: str, message: bytes, tags: dict[str, str]) -> str:
        client = await asyncio.shield(self._opened())
        wish: dict[str, Any] = {
            "FromEmailAddress": self.mail_from,
            "Destination": {"ToAddresses": [to]},
            "Content": {"Raw": {"Data": message}},
            "EmailTags": [{"Name": name, "Value": value} for name, value in tags.items()],
        }
        if self.configuration_set:
            wish["ConfigurationSetName"] = self.configuration_set
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer = await client.send_email(**wish)
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise NotNow(type(error).__name__) from error
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            if code in _BUSY:
                raise NotNow(code) from error
            if code in _NEVER:
                raise Refused(code) from error
            raise
        return str(answer["MessageId"])


@dataclass(slots=True)
class Pace:
    """So many mails a second and no more, of all instances together."""

    redis: Any
    per_second: float
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    share: float = 0.0
    """Of the account's own rate, which is not gone above; 0: the account is not heeded."""
    _most: float = math.inf

    def heed(self, rate: float) -> None:
        """The account may send so many a second."""
        if self.share:
            self._most = rate * self.share
            log.info("mail_rate", account=rate, ours=self.rate)

    @property
    def rate(self) -> float:
        return min(self.per_second, self._most)

    async def wait(self) -> None:
        """For a free place: the mails of a window are counted in Redis."""
        window = max(1.0, 1 / self.rate)
        most = max(1, int(self.rate * window))
        while True:
            now = self.clock()
            number = int(now // window)
            key = f"invites:mail-pace:{number}"
            taken = await self.redis.incr(key)
            if taken == 1:
                await self.redis.expire(key, int(2 * window) + 1)
            if taken <= most:
                return
            await self.sleep((number + 1) * window - now)


@dataclass(frozen=True, slots=True)
class Postman:
    store: EventStore[InviteEvent]
    handler: CommandHandler[Stream, InviteCommand, InviteEvent]
    mail: MailSystem
    pace: Pace
    tokens: Tokens
    sender: Sender
    patience: int = PATIENCE
    clock: Callable[[], float] = field(default=time.time)

    async def post(self, invite_id: str, correlation_id: str) -> None:
        """Send what this invitation waits for, if it does."""
        letter = await self._letter(invite_id)
        if letter is None or not letter.pending:
            return
        withheld = await self._withheld(letter)
        if withheld is None:
            await self.pace.wait()
        failpoint("before_intent")
        token = self.tokens.invite(invite_id, letter.generation)
        unsubscribe = self.tokens.unsubscribe(invite_id)
        start = StartSending(
            invite_id=invite_id,
            mail=letter.wanted,
            token_hash=token_digest(token),
            unsubscribe_hash=token_digest(unsubscribe),
            withheld=withheld,
            patience=self.patience,
        )
        if not await self._do(start, correlation_id) or withheld is not None:
            return
        failpoint("before_mail")
        await self._send(invite_id, letter, (token, unsubscribe), correlation_id)
        failpoint("after_result")

    async def _send(
        self, invite_id: str, letter: Letter, tokens: tuple[str, str], correlation_id: str
    ) -> None:
        mail = letter.wanted
        message = compose(self.sender, self._content(letter, tokens))
        tags = {"invite": invite_id, "mail": str(mail)}
        result: InvitationStreamCommand
        try:
            message_id = await self.mail.send(letter.email, message.as_bytes(), tags)
            failpoint("after_mail")
            result = RecordSent(invite_id=invite_id, mail=mail, message_id=message_id)
        except NotNow as why:
            result = PostponeSending(invite_id=invite_id, mail=mail, because=str(why))
        except Refused as why:
            result = GiveUpSending(invite_id=invite_id, mail=mail, because=str(why))
        except (BotoCoreError, ClientError, OSError, TimeoutError) as error:
            # it may have been sent or not: the intent stays open and comes due, and is counted
            log.warning("mail_unknown", invite=invite_id, because=type(error).__name__)
            return
        await self._do(result, correlation_id)

    def _content(self, letter: Letter, tokens: tuple[str, str]) -> Content:
        return Content(
            to=letter.email,
            inviter=letter.name,
            inviter_email=letter.inviter_email,
            note=letter.note,
            code=letter.code,
            locale=letter.locale,
            token=tokens[0],
            unsubscribe_token=tokens[1],
            expires_at=letter.expires_at,
            at=int(self.clock()),
            reminder=letter.wanted > letter.generation,
        )

    async def _letter(self, invite_id: str) -> Letter | None:
        history = await self.store.load(f"invite-{invite_id}")
        return INVITES.fold(history.events).letter

    async def _withheld(self, letter: Letter) -> Reason | None:
        history = await self.store.load(f"suppression-{letter.address_key}")
        return INVITES.fold(history.events).suppressed

    async def _do(self, command: InviteCommand, correlation_id: str) -> bool:
        """Whether it was carried out. A fresh id each time: the stream tells what was done."""
        command_id = str(uuid.uuid4())
        metadata = Metadata(command_id=command_id, correlation_id=correlation_id, actor="invites")
        outcome = await self.handler.handle(
            IncomingCommand(command, metadata, command.body_hash, redelivered=False)
        )
        return outcome.state == "accepted"
