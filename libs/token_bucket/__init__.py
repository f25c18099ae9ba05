"""How often somebody may do something: token buckets in Redis, refilled by its clock."""

from token_bucket.limiter import Charge, Closed, Limiter, Plan, Plans, Verdict
from token_bucket.limits import Limit, Outage, Scope, Table

__all__ = [
    "Charge",
    "Closed",
    "Limit",
    "Limiter",
    "Outage",
    "Plan",
    "Plans",
    "Scope",
    "Table",
    "Verdict",
]
