"""Let many people use referral codes at the same moment, through the gateway."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from redis.asyncio import Redis

from tests.support.rate_limits import suspend_limits
from tests.support.stack import Stack

USES = "/v1/referral/uses"
RACE_SECONDS = 90


@dataclass
class RaceResult:
    """Describe how a race ended."""

    seconds: float
    responses: Counter[tuple[int, str]] = field(default_factory=Counter)
    """(status, code or state) -> number of racers that got this response."""
    use_ids: set[str] = field(default_factory=set)


@dataclass
class CodeRace:
    """Create codes on a stack, and race for their seats."""

    stack: Stack
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.stack.service("gateway").url

    async def start_services(self, redis: Redis) -> None:
        """Start the services, with a gateway that rejects no request because of a limit.

        It waits for the outcomes of a race as long as a slow machine takes.
        """
        await suspend_limits(redis)
        self.stack.service("gateway").stop()
        await self.stack.service("referrals").start().ready()
        await self.stack.service("gateway").start(MAX_WAIT_SECONDS=str(RACE_SECONDS)).ready()

    async def member(self) -> tuple[str, str]:
        """Return the code of a new member, which has ten seats, and an access token."""
        email = f"{uuid.uuid4().hex[:12]}@example.com"
        await asyncio.to_thread(self.stack.users.sign_up, email)
        tokens = await asyncio.to_thread(self.stack.users.sign_in, email)
        account = await self._post("/v1/me", {}, tokens["id"])
        return account["referralCode"], tokens["access"]

    async def code_for_one(self) -> str:
        """Return a new code with one seat."""
        _, access = await self.member()
        return str((await self._post("/v1/referral/codes", {"maxUses": 1}, access))["code"])

    async def codes_of_members(self, count: int) -> list[str]:
        """Return the codes of `count` new members."""
        program = await asyncio.to_thread(self.stack.users.service_token)

        async def one() -> str:
            sub = uuid.uuid4().hex
            body = {"sub": sub, "user": f"{sub}@example.com"}
            return str((await self._post("/v1/users", body, program))["referralCode"])

        return await asyncio.gather(*(one() for _ in range(count)))

    async def run(self, racers: int, codes: Sequence[str]) -> RaceResult:
        """Start all racers at once; they are spread evenly over the codes."""
        result = RaceResult(0.0)
        headers = {"Prefer": f"wait={RACE_SECONDS}"}

        async def use_code(number: int) -> None:
            body = {
                "referralCode": codes[number % len(codes)],
                "user": f"{uuid.uuid4().hex}@example.org",
            }
            async with self.session.post(self.url + USES, json=body, headers=headers) as response:
                use: dict[str, Any] = await response.json(content_type=None)
                state = use.get("state") or use.get("code") or ""
                result.responses[response.status, state] += 1
                if "useId" in use:
                    result.use_ids.add(use["useId"])

        started = time.perf_counter()
        await asyncio.gather(*(use_code(number) for number in range(racers)))
        result.seconds = time.perf_counter() - started
        return result

    async def _post(self, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}", "Prefer": "wait=20"}
        async with self.session.post(self.url + path, json=body, headers=headers) as response:
            created: dict[str, Any] = await response.json(content_type=None)
            assert response.status in (200, 201), created
            return created
