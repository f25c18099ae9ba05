"""Gateways that count their callers and turn nobody away."""

from collections.abc import Iterable

from redis.asyncio import Redis

from gateway.limits.table import LIMIT_OVERRIDES, default_limits


async def count_only(redis: Redis, limits: Iterable[str] | None = None) -> None:
    """By all limits, or by these, until `limits_hold_again`; seen by a gateway that starts now."""
    names = default_limits().limits if limits is None else limits
    await redis.hset(LIMIT_OVERRIDES, mapping=dict.fromkeys(names, "1/60;shadow"))


async def limits_hold_again(redis: Redis) -> None:
    await redis.delete(LIMIT_OVERRIDES)
