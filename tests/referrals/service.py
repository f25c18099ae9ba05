"""Compose the referrals service in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from contracts.messages import CommandOutcome
from contracts.referrals import OpenAccount, RedeemReferral
from referrals.app import REFERRALS
from referrals.settings import Settings
from tests.referrals.examples import KEY
from tests.support.services import STACK, RunningService, Services


def referrals_settings() -> Settings:
    return Settings(stack=STACK, referrals_key=SecretStr(KEY))


@dataclass
class ReferralsService(RunningService):
    async def open(self, name: str) -> str:
        """Open an account; return its referral code."""
        await self.do(OpenAccount(member_id=name, email=f"{name}@example.com"))
        (_, issued) = (await self.store.load(f"member-{name}")).events[:2]
        return str(getattr(issued, "code", ""))

    async def refer(self, name: str, code: str, invited: str) -> CommandOutcome:
        address = f"{invited}@example.org"
        return await self.do(
            RedeemReferral(member_id=name, code=code, invited_user=address, invited_id=invited)
        )


@asynccontextmanager
async def referrals_service(redis: Any, at: float | None = None) -> AsyncIterator[ReferralsService]:
    """Yield the service; `at` is its clock, in UNIX seconds."""
    services = Services.create(redis)
    services.clock = at
    running = await services.add(services.compose(REFERRALS, referrals_settings()))
    await services.start()
    yield ReferralsService(running.application, running.handlers, services)
    await services.stop()
