"""Compose the invites service in memory, with an inbox in place of SES."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from chassis.log.event_store import EventStore
from contracts.invites import RegisterInviter, SendInvite, TendInvite
from invites.app import INVITES, Invites, make_handlers
from invites.sending_rate import SendingRate
from invites.settings import Settings
from tests.invites.inbox import Inbox
from tests.support.services import STACK, RunningService, Services

KEY = "k" * 32


@cache
def invites_settings() -> Settings:
    values: dict[str, Any] = {
        "stack": STACK,
        "invites_key": KEY,
        "invite_url": "https://vouch.example/invited#{token}",
        "unsubscribe_url": "https://api.vouch.example/v1/unsubscribe/{token}",
    }
    return Settings(**values)


async def add_invites(
    services: Services,
    inbox: Inbox,
    settings: Settings | None = None,
    store: EventStore[Any] | None = None,
) -> RunningService:
    """Add the service, with a mail provider that never has to wait for the sending rate."""
    application: Invites = services.compose(INVITES, settings or invites_settings(), store)
    handlers = make_handlers(application, inbox, SendingRate(services.redis, 1e6))
    return await services.add(application, handlers)


@dataclass
class InvitesService(RunningService):
    inbox: Inbox = field(default_factory=Inbox)

    async def tend(self, invite_id: str) -> None:
        """Do what the schedule's command leads to."""
        await self.do(TendInvite(invite_id=invite_id))

    async def invite(self, email: str = "bob@example.org", **more: Any) -> str:
        """Let Alice invite a person; return the invitation's id."""
        await self.do(RegisterInviter(member_id="alice", email="alice@example.com"))
        await self.do(SendInvite(inviter_id="alice", email=email, code="MVA00W4CZS", **more))
        history = await self.store.load("inviter-alice")
        return str(getattr(history.events[-1], "invite_id", ""))

    async def types(self, invite_id: str) -> list[str]:
        return [event.type for event in (await self.store.load(f"invite-{invite_id}")).events]


@asynccontextmanager
async def invites_service(
    redis: Any,
    settings: Settings | None = None,
    earlier: InvitesService | None = None,
) -> AsyncIterator[InvitesService]:
    """Run the service; with `earlier`, on its log and with its inbox and clock."""
    services, inbox = Services.create(redis), Inbox() if earlier is None else earlier.inbox
    services.clock = time.time() if earlier is None else earlier.at
    store = None if earlier is None else earlier.store
    running = await add_invites(services, inbox, settings, store)
    await services.start()
    yield InvitesService(running.application, running.handlers, services, inbox)
    await services.stop()
