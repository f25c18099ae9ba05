"""Many people who use codes at the same moment, through the gateway."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from redis.asyncio import Redis

from tests.support.shadow import count_only
from tests.support.stack import Stack

USES = "/v1/referral/uses"


@dataclass
class Finish:
    """How a race ended."""

    seconds: float
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    """(status, code or state) -> how many racers."""
    use_ids: set[str] = field(default_factory=set)


@dataclass
class Track:
    stack: Stack
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.stack.service("gateway").url

    async def open(self, redis: Redis) -> None:
        """Services that run, and a gateway that counts its callers but turns nobody away."""
        await count_only(redis)
        self.stack.service("gateway").stop()
        for name in ("referrals", "gateway"):
            await self.stack.service(name).start().ready()

    async def member(self) -> tuple[str, str]:
        """A new member's code, which is good for ten, and an access token."""
        email = f"{uuid.uuid4().hex[:12]}@example.com"
        await asyncio.to_thread(self.stack.people.sign_up, email)
        tokens = await asyncio.to_thread(self.stack.people.sign_in, email)
        account = await self._post("/v1/me", {}, tokens["id"])
        return account["referralCode"], tokens["access"]

    async def code_for_one(self) -> str:
        _, access = await self.member()
        return str((await self._post("/v1/referral/codes", {"maxUses": 1}, access))["code"])

    async def accounts(self, count: int) -> list[str]:
        """Codes of so many new members."""
        program = await asyncio.to_thread(self.stack.people.service_token)

        async def one() -> str:
            sub = uuid.uuid4().hex
            body = {"sub": sub, "user": f"{sub}@example.com"}
            return str((await self._post("/v1/users", body, program))["referralCode"])

        return await asyncio.gather(*(one() for _ in range(count)))

    async def race(self, racers: int, codes: Sequence[str]) -> Finish:
        """Everybody starts at once; racer n runs for code n, over and over."""
        finish = Finish(0.0)
        headers = {"Prefer": "wait=30"}

        async def run(number: int) -> None:
            body = {
                "referralCode": codes[number % len(codes)],
                "user": f"{uuid.uuid4().hex}@example.org",
            }
            async with self.session.post(self.url + USES, json=body, headers=headers) as answer:
                told: dict[str, Any] = await answer.json(content_type=None)
                word = told.get("state") or told.get("code") or ""
                finish.answers[answer.status, word] += 1
                if "useId" in told:
                    finish.use_ids.add(told["useId"])

        started = time.perf_counter()
        await asyncio.gather(*(run(number) for number in range(racers)))
        finish.seconds = time.perf_counter() - started
        return finish

    async def _post(self, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}", "Prefer": "wait=20"}
        async with self.session.post(self.url + path, json=body, headers=headers) as answer:
            told: dict[str, Any] = await answer.json(content_type=None)
            assert answer.status in (200, 201), told
            return told
