"""The referrals service in one process: its log in memory, its read models in the real Redis."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from chassis.bus.announcements import Announcer
from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import IncomingCommand
from chassis.bus.outcomes import Outcomes
from chassis.decide.decider import DecisionContext
from chassis.decide.repository import Repository
from chassis.log.codec import Codec
from chassis.log.memory import MemoryEventStore
from chassis.views.projector import Projector
from chassis.views.read_models import ReadModels
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.messages import Command, CommandOutcome, Metadata
from contracts.referrals import OpenAccount, RedeemReferral, ReferralEvent
from referrals.domain import DECIDER
from referrals.projections import MODELS

_EMPTY: dict[Any, Any] = {}


@dataclass
class Service:
    redis: Any
    at: float
    """Its clock, in UNIX seconds."""
    store: MemoryEventStore[ReferralEvent] = field(
        default_factory=lambda: MemoryEventStore(Codec(ReferralEvent))
    )
    sent: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.projector = Projector(self.redis, self.store, "referrals", MODELS)
        self.models = ReadModels(self.redis)
        self.handler: CommandHandler[Any, Any, Any] = CommandHandler(
            Repository(self.store, DECIDER, moment=self.moment),
            self.projector,
            Announcer(self, {}),
            Outcomes(self.redis),
        )

    def moment(self) -> DecisionContext:
        return DecisionContext(int(self.at * 1000), uuid.uuid4().bytes * 2)

    async def start(self) -> "Service":
        """With read models, which of an empty log are always the same."""
        if not _EMPTY:
            await ReadModelWatcher(self.projector).rebuild_needed()
            _EMPTY.update({key: await self.redis.dump(key) for key in await self.redis.keys("*")})
        for key, value in _EMPTY.items():
            await self.redis.restore(key, 0, value, replace=True)
        return self

    async def do(self, command: Command) -> CommandOutcome:
        command_id = str(uuid.uuid4())
        metadata = Metadata(command_id=command_id, correlation_id=command_id)
        incoming = IncomingCommand(command, metadata, command.body_hash, redelivered=False)
        return await self.handler.handle(incoming)

    async def open(self, name: str) -> str:
        """An account; its code."""
        await self.do(OpenAccount(member_id=name, email=f"{name}@example.com"))
        (_, issued) = (await self.store.load(f"member-{name}")).events[:2]
        return str(getattr(issued, "code", ""))

    async def refer(self, name: str, code: str, invited: str) -> CommandOutcome:
        address = f"{invited}@example.org"
        return await self.do(
            RedeemReferral(member_id=name, code=code, invited_user=address, invited_id=invited)
        )

    async def publish(self, message: Any = None, queue: str = "", **_: Any) -> None:
        self.sent.append((queue, message))
