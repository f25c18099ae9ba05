"""Read members that are known to exist, all the time; count answers that are wrong."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.chaos.activity import Activity, Member

PAUSE_SECONDS = 0.01
TIMEOUT = aiohttp.ClientTimeout(total=10)


@dataclass
class Readers:
    """Poll accounts, points, codes and their validity."""

    activity: Activity
    statuses: Counter[int] = field(default_factory=Counter)
    """Status -> number of reads; 0: the connection broke."""
    wrong: list[str] = field(default_factory=list)
    """Answers that deny or misreport what exists."""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def reading(self, clients: int) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(self._run())
            try:
                yield
            finally:
                self.stopped.set()

    def summary(self) -> str:
        """Return how many reads got which status, and how many were wrong."""
        statuses = ", ".join(f"{n:,} {status}" for status, n in sorted(self.statuses.items()))
        return f"reads {statuses}; {len(self.wrong)} false"

    async def _run(self) -> None:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            while not self.stopped.is_set():
                if self.activity.members:
                    # half of the reads are of those who have just signed up
                    recent = self.activity.members[-10:]
                    chance = self.activity.chance
                    pool = recent if chance.random() < 0.5 else self.activity.members
                    await self._read(session, chance.choice(pool))
                await asyncio.sleep(PAUSE_SECONDS)  # a reader's pause; it waits for no event

    async def _read(self, session: aiohttp.ClientSession, member: Member) -> None:
        path = self.activity.chance.choice(
            (
                "/v1/me",
                "/v1/points/ledger",
                "/v1/referral/codes",
                f"/v1/referral/valid?referral_code={member.code}",
            )
        )
        status, body = await self._get(session, path, member.sub)
        self.statuses[status] += 1
        if status in (0, 429, 503):
            return
        right = status == 200
        if right and member.quiet:
            right = self._as_opened(path, member, body)
        if not right:
            self.wrong.append(f"{path} of {member.sub}: {status} {body}")

    def _as_opened(self, path: str, member: Member, body: dict[str, Any]) -> bool:
        """Return whether the body is right for a member whom nothing has happened to."""
        if path == "/v1/me":
            return body == member.account
        if path == "/v1/points/ledger":
            return bool(body["points"] == 0)
        if path == "/v1/referral/codes":
            return [(row["code"], row["uses"]) for row in body["items"]] == [(member.code, 0)]
        return bool(body["valid"])

    async def _get(
        self, session: aiohttp.ClientSession, path: str, sub: str
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.activity.access(sub)}"}
        try:
            async with session.get(self.activity.url() + path, headers=headers) as response:
                body = await response.read()
                return response.status, json.loads(body) if body else {}
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 0, {}
