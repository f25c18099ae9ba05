"""Raise the rate limits per address of the local stack, whose clients share one address."""

from collections.abc import Iterator
from typing import Final

from redis import Redis

from gateway.limits.table import LIMIT_OVERRIDES, default_limits
from token_bucket import Scope
from token_bucket.limiter import POLL_SECONDS

SHARED: Final = (Scope.ADDRESS, Scope.GLOBAL)


def raise_limits(redis_url: str, times: int) -> Iterator[str]:
    """Allow `times` as many requests per address, and in all; 1 restores the limits.

    Yields a line for each limit, and how long gateways take to notice.
    """
    limits = [limit for limit in default_limits().limits.values() if limit.scope in SHARED]
    with Redis.from_url(redis_url) as redis:
        for limit in limits:
            if times == 1:
                redis.hdel(LIMIT_OVERRIDES, limit.name)
            else:
                redis.hset(LIMIT_OVERRIDES, limit.name, f"{times * limit.quantity}/{limit.window}")
            yield f"{limit.name}: {times * limit.quantity} in {limit.window} s"
    yield f"Gateways notice within {POLL_SECONDS:.0f} s."
