"""A world around the gateway: an issuer of tokens, and services that answer commands."""

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from redis.asyncio import Redis

from chassis.bus.announcements import Announcer, EventReader
from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import CommandReader, CommandSender, IncomingCommand
from chassis.bus.outcomes import Outcomes
from chassis.decide.repository import Repository
from chassis.log.codec import Codec
from chassis.log.memory import MemoryEventStore
from chassis.views.projector import Projector
from chassis.views.rebuild.watch import ReadModelWatcher
from cognito_jwt.testing import TokenIssuer
from contracts.compute import ComputeCommand, ComputeEvent
from contracts.invites import InviteCommand, InviteEvent
from contracts.messages import Event, Metadata
from contracts.referrals import (
    AccountOpened,
    CodeBrought,
    ReferralCommand,
    ReferralConfirmed,
    ReferralEvent,
    ReferralReversed,
)
from gateway.settings import SERVICE_SCOPE, Settings
from tests.invites.world import SENDER, Inbox

ISSUER = TokenIssuer.issuer
CLIENT = TokenIssuer.client_id
PROGRAM = "program-client"
ALICE = "5e1f0c2a-0000-4000-8000-00000000a11c"

INVITES_HEAR = "test-invites-announcements.fifo"
_EMPTY: dict[Any, Any] = {}
"""What Redis holds once services without any events have built their read models."""


@dataclass
class Issuer(TokenIssuer):
    """Signs tokens as the product's user pool does."""

    service_client_id: str = PROGRAM

    def access(self, subject: str = ALICE, **claims: Any) -> str:
        return super().access(subject, **claims)

    def id(self, subject: str = ALICE, **claims: Any) -> str:
        return super().id(subject, **claims)

    def program(self, **claims: Any) -> str:
        return self.service(**({"scope": SERVICE_SCOPE} | claims))


@dataclass(frozen=True)
class Sent:
    queue: str
    body: dict[str, Any]
    headers: dict[str, str]
    correlation_id: str | None
    group_id: str | None
    deduplication_id: str | None


@dataclass
class Message:
    """As much of a received message as a reader looks at."""

    body: bytes
    headers: dict[str, str]
    correlation_id: str | None
    receive_count: int = 1


@dataclass
class Bus:
    """Takes the gateway's commands straight to the services' own handlers.

    The event stores are in memory, the read models and outcomes in the real Redis.
    """

    redis: Redis
    sent: list[Sent] = field(default_factory=list)
    down: bool = False
    stores: dict[str, MemoryEventStore[Any]] = field(default_factory=dict)
    inbox: Inbox = field(default_factory=Inbox)
    """Where the invites service's mails go."""
    held: bool = False
    """Keep commands back until `release`."""
    _handlers: dict[str, tuple[CommandReader[Any], CommandHandler[Any, Any, Any]]] = field(
        default_factory=dict
    )
    _waiting: list[Sent] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)

    async def start(self) -> None:
        """Build the read models; of empty services they are always the same."""
        if _EMPTY and not await self.redis.keys("*"):
            for key, value in _EMPTY.items():
                await self.redis.restore(key, 0, value)
        await self._open()
        if not _EMPTY:
            _EMPTY.update({key: await self.redis.dump(key) for key in await self.redis.keys("*")})

    async def _open(self) -> None:
        from compute.domain import analyses  # noqa: PLC0415  the services under their own names
        from compute.projections import ANALYSIS_VIEWS  # noqa: PLC0415
        from invites.app import INVITES  # noqa: PLC0415
        from referrals.domain import DECIDER  # noqa: PLC0415
        from referrals.projections import MODELS  # noqa: PLC0415

        own = (AccountOpened, CodeBrought, ReferralConfirmed, ReferralReversed)
        await self._add("referrals", ReferralCommand, ReferralEvent, DECIDER, MODELS, own=own)
        letters = tuple(INVITES.announces)
        await self._add(
            "invites", InviteCommand, InviteEvent, INVITES.decider, INVITES.models, own=letters
        )
        ethereum = analyses(frozenset({1}))
        await self._add("compute", ComputeCommand, ComputeEvent, ethereum, (ANALYSIS_VIEWS,))

    async def _add(
        self, name: str, commands: Any, events: Any, decider: Any, models: Any, *, own: Any = ()
    ) -> None:
        store: MemoryEventStore[Any] = MemoryEventStore(Codec(events))
        projector: Projector[Any] = Projector(self.redis, store, name, models)
        watcher: ReadModelWatcher[Any] = ReadModelWatcher(projector)
        if await watcher.unserved():
            await watcher.rebuild_needed()
        handler: CommandHandler[Any, Any, Any] = CommandHandler(
            Repository(store, decider),
            projector,
            Announcer(self, {event: _listeners(name, event) for event in own}),
            Outcomes(self.redis),
        )
        self.stores[name] = store
        self._handlers[f"test-{name}-commands.fifo"] = (CommandReader(commands), handler)

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
        if self.down:
            raise OSError("the bus is down")
        sent = Sent(queue, message, headers or {}, correlation_id, group_id, deduplication_id)
        if queue.endswith("-announcements.fifo"):
            self._deliver(sent)
            return
        self.sent.append(sent)
        if deduplication_id in self._seen:
            return
        self._seen.add(deduplication_id or "")
        if self.held:
            self._waiting.append(sent)
        else:
            self._deliver(sent)

    async def stop(self) -> None:
        """Wait for what is under way: it uses the Redis that is closed next."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def compute(self, command: Any) -> None:
        """What the compute service's worker says to its own streams."""
        _, handler = self._handlers["test-compute-commands.fifo"]
        name = str(uuid.uuid4())
        await handler.handle(
            IncomingCommand(
                command,
                Metadata(command_id=name, correlation_id=name),
                command.body_hash,
                redelivered=False,
            )
        )

    def release(self) -> None:
        self.held = False
        while self._waiting:
            self._deliver(self._waiting.pop(0))

    def _deliver(self, sent: Sent) -> None:
        task = asyncio.create_task(self._handle(sent))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, sent: Sent) -> None:
        message: Any = Message(json.dumps(sent.body).encode(), sent.headers, sent.correlation_id)
        if sent.queue.endswith("-announcements.fifo"):
            if sent.queue == INVITES_HEAR:
                await self._hear_invites(message)
            else:
                await self._hear(message)
            return
        reader, handler = self._handlers[sent.queue]
        await handler.handle(reader.read(message))

    async def _hear(self, message: Any) -> None:
        """What the referrals service does about its own events."""
        from referrals.handlers import HEARD, reaction  # noqa: PLC0415

        heard = EventReader[Any](HEARD).read(message)
        command = reaction(heard.event)
        _, handler = self._handlers["test-referrals-commands.fifo"]
        await handler.handle(
            IncomingCommand(command, heard.metadata, command.body_hash, redelivered=False)
        )

    async def _hear_invites(self, message: Any) -> None:
        """What the invites service does about accounts and its own events."""
        from invites.handlers import HEARD, Parts, react  # noqa: PLC0415
        from invites.mailer import InvitationMailer  # noqa: PLC0415
        from invites.sending_rate import SendingRate  # noqa: PLC0415
        from invites.tokens import Tokens  # noqa: PLC0415

        _, handler = self._handlers["test-invites-commands.fifo"]
        tokens, store = Tokens(b"k" * 32), self.stores["invites"]
        mailer = InvitationMailer(
            store, handler, self.inbox, SendingRate(self.redis, 1e6), tokens, SENDER
        )
        referrals = CommandSender(self, "test")
        application: Any = SimpleNamespace(handler=handler)
        parts = Parts(mailer, tokens, referrals, "test-invites-feedback")
        await react(application, parts, EventReader[Any](HEARD).read(message))


def _listeners(name: str, event: type[Event]) -> list[str]:
    return [INVITES_HEAR] if event is AccountOpened else [f"test-{name}-announcements.fifo"]


def settings(redis_url: str, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "stack": "test",
        "redis_url": redis_url,
        "gateway_port": 0,
        "cognito_issuer": ISSUER,
        "cognito_jwks_url": "http://127.0.0.1:1/jwks.json",
        "cognito_client_ids": frozenset({CLIENT}),
        "cognito_service_client_ids": frozenset({PROGRAM}),
    }
    return Settings(**(values | changes))
