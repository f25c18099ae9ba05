"""Set up what the gateway needs: an issuer of tokens, settings, and the services behind it."""

from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from chassis.log.memory import MemoryEventStore
from chassis.run.service import Handlers
from chassis.views.rebuild.watch import ReadModelWatcher
from cognito_jwt.testing import TokenIssuer
from compute.app import COMPUTE
from contracts.messages import Command, CommandOutcome
from gateway.settings import SERVICE_SCOPE, Settings
from referrals.app import REFERRALS
from tests.compute.service import compute_settings
from tests.invites.inbox import Inbox
from tests.invites.service import add_invites
from tests.referrals.examples import KEY
from tests.referrals.service import referrals_settings
from tests.support.services import STACK, DeliveringBus, RunningService, Sent, Services

ISSUER = TokenIssuer.issuer
CLIENT = TokenIssuer.client_id
PROGRAM = "program-client"
ALICE = "5e1f0c2a-0000-4000-8000-00000000a11c"
PATIENCE_SECONDS = 20.0
"""How long requests wait in tests for what is on its way: a slow machine gets the same responses.

A test of the end of a wait shortens it.
"""


@dataclass
class Issuer(TokenIssuer):
    """Sign tokens as the product's user pool does."""

    service_client_id: str = PROGRAM

    def access(self, subject: str = ALICE, **claims: Any) -> str:
        return super().access(subject, **claims)

    def id(self, subject: str = ALICE, **claims: Any) -> str:
        return super().id(subject, **claims)

    def program(self, **claims: Any) -> str:
        return self.service(**({"scope": SERVICE_SCOPE} | claims))


async def _no_worker(_event: Any) -> None:
    """Leave a requested analysis alone: tests play the worker."""


@dataclass
class Bus:
    """Deliver commands to the composed services at once."""

    redis: Redis
    inbox: Inbox = field(default_factory=Inbox)
    """Receives the invites service's mails."""
    services: Services = field(init=False)

    def __post_init__(self) -> None:
        self.services = Services.create(self.redis, DeliveringBus)

    @property
    def memory(self) -> DeliveringBus:
        assert isinstance(self.services.bus, DeliveringBus)
        return self.services.bus

    @property
    def sent(self) -> list[Sent]:
        return self.memory.sent

    @property
    def down(self) -> bool:
        return self.memory.down

    @down.setter
    def down(self, down: bool) -> None:
        self.memory.down = down

    @property
    def held(self) -> bool:
        return self.memory.held

    @held.setter
    def held(self, held: bool) -> None:
        self.memory.held = held

    def forget_sent(self) -> None:
        self.memory.published.clear()

    def release(self) -> None:
        self.memory.release()

    @property
    def stores(self) -> dict[str, MemoryEventStore[Any]]:
        return {name: service.store for name, service in self.services.running.items()}

    def service(self, name: str) -> RunningService:
        return self.services.running[name]

    async def compute(self, command: Command) -> CommandOutcome:
        """Handle a command that the compute service's worker gives to its own streams."""
        return await self.service("compute").execute(command)

    async def start(self) -> None:
        services = self.services
        await services.add(services.compose(REFERRALS, referrals_settings()))
        await add_invites(services, self.inbox)
        await services.add(
            services.compose(COMPUTE, compute_settings()), Handlers(on_event=_no_worker)
        )
        await services.start()

    async def rebuild_read_models(self) -> None:
        """Rebuild what an emptied Redis has lost, as each service does by itself."""
        for service in self.services.running.values():
            await ReadModelWatcher(service.projector).rebuild_needed()

    async def settle(self) -> None:
        """Wait until the services have done and projected all that follows from requests."""
        await self.memory.settle()

    async def stop(self) -> None:
        await self.settle()
        await self.services.stop()


def settings(redis_url: str, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "stack": STACK,
        "redis_url": redis_url,
        "gateway_port": 0,
        "referrals_key": KEY,
        "cognito_issuer": ISSUER,
        "cognito_jwks_url": "http://127.0.0.1:1/jwks.json",
        "cognito_client_ids": frozenset({CLIENT}),
        "cognito_service_client_ids": frozenset({PROGRAM}),
        "outcome_wait_seconds": PATIENCE_SECONDS,
    }
    return Settings(**(values | changes))
