"""Limit rates with token buckets in Redis: several limits in one call, debited all or none."""

from token_bucket.charges import (
    BucketState,
    Charge,
    ChargePlan,
    Decision,
    Group,
    ScopedPlans,
)
from token_bucket.limiter import RateLimiter, RateLimiterUnavailable
from token_bucket.limits import Limit, LimitTable, OutagePolicy, Scope

__all__ = [
    "BucketState",
    "Charge",
    "ChargePlan",
    "Decision",
    "Group",
    "Limit",
    "LimitTable",
    "OutagePolicy",
    "RateLimiter",
    "RateLimiterUnavailable",
    "Scope",
    "ScopedPlans",
]
