"""Refuse to start with a Redis that may evict read models, and warn of other evictions."""

from typing import Any

import structlog
from redis.exceptions import RedisError

from chassis.views.identity import EvictionPolicy, ensure_no_eviction, maxmemory_policies

log = structlog.get_logger(__name__)


async def check_eviction_policy(redis: Any) -> None:
    """Return if Redis keeps read models when its memory is full, or cannot be asked now.

    The policy is read through INFO, since managed services forbid CONFIG.

    Raises:
        EvictionPolicy: it may evict read models.
    """
    try:
        policies = await maxmemory_policies(redis)
        ensure_no_eviction(policies)
    except EvictionPolicy:
        raise
    except (RedisError, OSError) as error:  # an outage prevents no start; it is checked again later
        log.warning("eviction_policy_unknown", because=str(error))
        return
    for policy in sorted(policies):
        if policy.startswith("volatile-"):
            log.warning(
                "redis_may_evict_outcomes",
                policy=policy,
                because="stored outcomes, idempotency keys and rate limits have a time to live",
            )
