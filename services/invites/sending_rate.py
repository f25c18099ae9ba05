"""Limit the mails per second of all instances together, counted in Redis."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class SendingRate:
    """Wait until a mail may be sent: fixed windows of at least a second, counted in Redis."""

    redis: Any
    per_second: float
    """The configured limit, in mails per second."""
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    quota_share: float = 0.0
    """Share of the account's own limit that is used at most; 0 ignores the account's limit."""
    _account_limit: float = math.inf

    def set_account_rate(self, rate: float) -> None:
        """Respect the number of mails per second that the account may send."""
        if self.quota_share:
            self._account_limit = rate * self.quota_share
            log.info("sending_rate_set", account_rate=rate, rate=self.rate)

    @property
    def rate(self) -> float:
        """Mails per second that are sent at most."""
        return min(self.per_second, self._account_limit)

    async def wait(self) -> None:
        """Return when the mail fits into the current window."""
        seconds = max(1.0, 1 / self.rate)
        limit = max(1, int(self.rate * seconds))
        while True:
            now = self.clock()
            window = int(now // seconds)
            if await self._count(window, seconds) <= limit:
                return
            await self.sleep((window + 1) * seconds - now)

    async def _count(self, window: int, seconds: float) -> int:
        key = f"invites:mail-pace:{window}"
        count: int = await self.redis.incr(key)
        if count == 1:
            await self.redis.expire(key, int(2 * seconds) + 1)
        return count
