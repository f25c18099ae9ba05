"""The invites service in one process: its log in memory, its read models in the real Redis.

Announcements go round to the service's own reactions, as SQS would take them; a mail system that
keeps what it is sent stands for SES.
"""

import json
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from chassis.bus.announcements import Announcer, EventReader
from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import CommandSender, IncomingCommand
from chassis.bus.outcomes import Outcomes
from chassis.decide.decider import DecisionContext
from chassis.decide.repository import Repository
from chassis.log.codec import Codec
from chassis.log.memory import MemoryEventStore
from chassis.views.projector import Projector
from chassis.views.read_models import ReadModels
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.invites import InviteEvent, RegisterInviter, SendInvite, TendInvite
from contracts.messages import Command, CommandOutcome, Metadata
from invites.app import INVITES
from invites.handlers import HEARD, Parts, react
from invites.mail import MailProfile
from invites.mail_provider import MailDeferred, MailRefused
from invites.mailer import InvitationMailer
from invites.sending_rate import SendingRate
from invites.tokens import Tokens

SENDER = MailProfile(
    address="hello@vouch.example",
    product="Vouch",
    invite_url="https://vouch.example/invited#{token}",
    unsubscribe_url="https://api.vouch.example/v1/unsubscribe/{token}",
)
_EMPTY: dict[Any, Any] = {}


@dataclass
class Inbox:
    """A mail system that does as it is told."""

    mails: list[EmailMessage] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    plan: list[BaseException] = field(default_factory=list)
    """What goes wrong with the next calls."""
    asked: int = 0

    async def send(self, to: str, message: bytes, tags: dict[str, str]) -> str:
        self.asked += 1
        if self.plan:
            raise self.plan.pop(0)
        mail = message_from_bytes(message, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        assert mail["To"] == to
        self.mails.append(mail)
        self.tags.append(tags)
        return f"m-{len(self.mails)}"

    def token(self, number: int = -1) -> str:
        text = self.mails[number].get_body(("plain",))
        assert text is not None
        token: str = text.get_content().split("invited#")[1].split()[0]
        return token

    def unsubscribe_token(self, number: int = -1) -> str:
        header: str = self.mails[number]["List-Unsubscribe"]
        return header.rpartition("/")[2].rstrip(">")


__all__ = ["Inbox", "MailDeferred", "MailRefused", "Service"]


@dataclass
class Service:
    redis: Any
    at: float = field(default_factory=time.time)
    """Its clock, in UNIX seconds."""
    store: MemoryEventStore[InviteEvent] = field(
        default_factory=lambda: MemoryEventStore(Codec(InviteEvent))
    )
    inbox: Inbox = field(default_factory=Inbox)
    sent: list[tuple[str, Any, str]] = field(default_factory=list)
    """What goes to other services: queue, body, deduplication id."""
    told: deque[Any] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.projector = Projector(self.redis, self.store, "invites", INVITES.models)
        self.models = ReadModels(self.redis)
        own = {key: ["test-invites-announcements.fifo"] for key in INVITES.announces}
        self.handler: CommandHandler[Any, Any, Any] = CommandHandler(
            Repository(self.store, INVITES.decider, moment=self.moment),
            self.projector,
            Announcer(self, own),
            Outcomes(self.redis),
        )
        tokens = Tokens(b"k" * 32)
        mailer = InvitationMailer(
            self.store,
            self.handler,
            self.inbox,
            SendingRate(self.redis, 1e6),
            tokens,
            SENDER,
            clock=lambda: self.at,
        )
        referrals = CommandSender(self, "test")
        self.parts = Parts(mailer, tokens, referrals, "test-invites-feedback")

    def moment(self) -> DecisionContext:
        return DecisionContext(int(self.at * 1000), uuid.uuid4().bytes * 2)

    async def start(self) -> "Service":
        if not _EMPTY:
            await ReadModelWatcher(self.projector).rebuild_needed()
            _EMPTY.update({key: await self.redis.dump(key) for key in await self.redis.keys("*")})
        for key, value in _EMPTY.items():
            await self.redis.restore(key, 0, value, replace=True)
        return self

    async def do(self, command: Command) -> CommandOutcome:
        """Carry out a command and all that follows from it."""
        outcome = await self.carry_out(command)
        await self.settle()
        return outcome

    async def carry_out(self, command: Command) -> CommandOutcome:
        command_id = str(uuid.uuid4())
        metadata = Metadata(command_id=command_id, correlation_id=command_id)
        return await self.handler.handle(
            IncomingCommand(command, metadata, command.body_hash, redelivered=False)
        )

    async def settle(self, times: int = 1) -> None:
        """Deliver what was announced; more than once, if it is asked for."""
        reader = EventReader[Any](HEARD)
        application: Any = self
        while self.told:
            message = self.told.popleft()
            for _ in range(times):
                await react(application, self.parts, reader.read(message))

    async def tend(self, invite_id: str) -> None:
        """What the clock's word leads to."""
        await self.do(TendInvite(invite_id=invite_id))
        await self.parts.mailer.send_due(invite_id, "clock")
        await self.settle()

    async def invite(self, email: str = "bob@example.org", **more: Any) -> str:
        """An invitation of Alice's; its id."""
        await self.do(RegisterInviter(member_id="alice", email="alice@example.com"))
        await self.do(SendInvite(inviter_id="alice", email=email, code="MVA00W4CZS", **more))
        history = await self.store.load("inviter-alice")
        return str(getattr(history.events[-1], "invite_id", ""))

    async def types(self, invite_id: str) -> list[str]:
        return [event.type for event in (await self.store.load(f"invite-{invite_id}")).events]

    async def publish(
        self,
        message: Any = None,
        queue: str = "",
        *,
        headers: dict[str, Any] | None = None,
        correlation_id: str | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
    ) -> None:
        del group_id
        if queue.endswith("-announcements.fifo"):
            body = json.dumps(message).encode()
            self.told.append(_Message(body, headers or {}, correlation_id))
        else:
            self.sent.append((queue, message, deduplication_id or ""))


@dataclass
class _Message:
    """As much of a received message as a reader looks at."""

    body: bytes
    headers: dict[str, Any]
    correlation_id: str | None
    receive_count: int = 1
