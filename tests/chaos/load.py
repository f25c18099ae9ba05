"""Send commands to the gateway; repeat each until the gateway has acknowledged it."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp

PAUSE_SECONDS = 0.05
GIVE_UP_SECONDS = 120


@dataclass
class Load:
    """Open accounts in several concurrent writers."""

    url: str
    token: str
    chance: random.Random
    acknowledged: dict[str, str] = field(default_factory=dict)
    """sub -> address of each request that was answered with 201 or 202."""
    statuses: dict[int, int] = field(default_factory=dict)
    """Status -> number of responses; 0: the connection broke."""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self) -> None:
        """Open accounts until `stopped` is set; finish the last one."""
        async with aiohttp.ClientSession() as session:
            while not self.stopped.is_set():
                sub = str(UUID(int=self.chance.getrandbits(128), version=4))
                email = f"{sub[:13]}@example.com"
                twice = self.chance.random() < 0.2
                body = {"sub": sub, "user": email}
                async with asyncio.timeout(GIVE_UP_SECONDS):
                    await asyncio.gather(
                        *(self._until_acknowledged(session, body) for _ in range(1 + twice))
                    )

    async def _until_acknowledged(
        self, session: aiohttp.ClientSession, body: dict[str, str]
    ) -> None:
        """Repeat a request with one idempotency key, so that all attempts are one command."""
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": body["sub"]}
        if self.chance.random() < 0.3:
            headers["Prefer"] = "respond-async"
        while True:
            status = await self._attempt(session, headers, body)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status in (201, 202):
                self.acknowledged[body["sub"]] = body["user"]
                return
            # 409: an attempt is in progress; 429 and 5xx: try later; 0: the connection broke
            assert status in (0, 409, 429, 500, 502, 503), status
            await asyncio.sleep(PAUSE_SECONDS)  # a client's pause before it tries again

    async def _attempt(
        self, session: aiohttp.ClientSession, headers: dict[str, Any], body: dict[str, str]
    ) -> int:
        try:
            async with session.post(f"{self.url}/v1/users", headers=headers, json=body) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, OSError):
            return 0
