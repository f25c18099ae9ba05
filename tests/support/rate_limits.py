"""Let gateways count requests without rejecting any."""

from collections.abc import Iterable

from redis.asyncio import Redis

from gateway.limits.table import LIMIT_OVERRIDES, default_limits


async def suspend_limits(redis: Redis, limits: Iterable[str] | None = None) -> None:
    """Suspend these limits (default: all) in gateways that start from now on."""
    names = default_limits().limits if limits is None else limits
    await redis.hset(LIMIT_OVERRIDES, mapping=dict.fromkeys(names, "1/60;shadow"))


async def restore_limits(redis: Redis) -> None:
    await redis.delete(LIMIT_OVERRIDES)
