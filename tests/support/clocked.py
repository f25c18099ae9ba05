"""The limiter's own script under a clock that a test turns, for any number of processes."""

import asyncio
from typing import Any

from redis.asyncio import Redis

from gateway.limits.table import default_limits
from redis_batching.connection import connect
from token_bucket import Charge, Limit, RateLimiter, Scope

CLOCK = "clock"
NOON = 1_800_000_000_000_000
"""Microseconds since 1970: as many digits as there are today."""
_CHANGES = {
    "redis.call('TIME')": f"redis.call('LRANGE', '{CLOCK}', 0, 1)",
    ", 'PX', alive)": ")",  # Redis would forget by a clock of its own
}


async def turn(redis: Any, micros: int) -> None:
    async with redis.pipeline() as pipe:
        await pipe.delete(CLOCK).rpush(CLOCK, *divmod(NOON + micros, 1_000_000)).execute()


class Clocked:
    """A Redis as the limiter uses it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def register_script(self, script: str) -> Any:
        for word, other in _CHANGES.items():
            assert script.count(word) == 1, word
            script = script.replace(word, other)
        return self._redis.register_script(script)


def hammer(url: str, quantity: int, window: int, cost: int, tries: int) -> int:
    """How many charges a process of its own gets through, several at a time."""
    return asyncio.run(_hammer(url, Limit("hammered", quantity, window, Scope.USER), cost, tries))


async def _hammer(url: str, limit: Limit, cost: int, tries: int) -> int:
    async with connect(url) as redis:
        limits = RateLimiter(Clocked(redis), default_limits())
        verdicts = await asyncio.gather(
            *(limits.take(Charge(limit, "alice", cost)) for _ in range(tries))
        )
    return sum(verdict.admitted for verdict in verdicts)
