"""Run the limiter's own script by a clock that a test sets, from any number of processes."""

import asyncio
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis

from token_bucket import Charge, Limit, RateLimiter, Scope
from token_bucket.limiter import TAKE_SCRIPT, TAKE_SHA

CLOCK = "clock"
START = 1_800_000_000_000_000
"""Microseconds since 1970, with as many digits as the present time."""
_REPLACEMENTS = {
    "redis.call('TIME')": f"redis.call('LRANGE', '{CLOCK}', 0, 1)",
    ", 'PX', alive)": ")",  # keys would expire by the real clock
}


def _controlled() -> str:
    script = TAKE_SCRIPT
    for original, replacement in _REPLACEMENTS.items():
        assert script.count(original) == 1, original
        script = script.replace(original, replacement)
    return script


_CONTROLLED = _controlled()


async def set_clock(redis: Any, micros: int) -> None:
    async with redis.pipeline() as pipe:
        await pipe.delete(CLOCK).rpush(CLOCK, *divmod(START + micros, 1_000_000)).execute()


class ControlledClockRedis:
    """The part of a Redis client that the limiter uses."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def execute_command(self, name: str, script: str, *arguments: Any) -> Any:
        """Run the limiter's script with the clock replaced."""
        assert (name, script) in (("EVALSHA", TAKE_SHA), ("EVAL", TAKE_SCRIPT))
        redis: Any = self._redis
        return await redis.execute_command("EVAL", _CONTROLLED, *arguments)


def admitted_in_process(url: str, quantity: int, window: int, cost: int, tries: int) -> int:
    """Return how many charges are admitted in a process of its own, several at a time."""
    return asyncio.run(_admitted(url, Limit("shared", quantity, window, Scope.USER), cost, tries))


async def _admitted(url: str, limit: Limit, cost: int, tries: int) -> int:
    # few connections and long timeouts: a busy machine must not look like an outage
    timeouts = {"timeout": 60, "socket_timeout": 60, "socket_connect_timeout": 60}
    pool = BlockingConnectionPool.from_url(url, max_connections=8, **timeouts)
    async with Redis.from_pool(pool) as redis:
        limiter = RateLimiter(ControlledClockRedis(redis))
        decisions = await asyncio.gather(
            *(limiter.take(Charge(limit, "alice", cost)) for _ in range(tries))
        )
    return sum(decision.admitted for decision in decisions)
