"""Charge requests to the rate limits of their callers, and report the limits in headers."""

import math
from collections.abc import MutableMapping
from typing import Final

from aiohttp import web
from multidict import istr

from cognito_jwt import Caller
from gateway.http.client_address import WIDER_PREFIXES, ClientAddresses, networks_around
from gateway.http.problems import Problem, too_many
from gateway.http.routing import RequestContext
from token_bucket import Decision, Group, RateLimiter, ScopedPlans

ALL_CALLERS: Final = "all"
"""Name of the one bucket that all callers share."""
PREFIX_GROUPS: Final = tuple(
    Group(str(prefix), factor) for prefix, factor in zip(WIDER_PREFIXES, (4, 16), strict=True)
)
"""Networks around an IPv6 client, and their limits as multiples of a /64's.

A /48 has 65,536 networks of /64. The largest factor keeps one from spending, by itself, the budget
of wrong codes that all anonymous callers share.
"""
RATE_LIMIT: Final = istr("RateLimit")
RATE_LIMIT_POLICY: Final = istr("RateLimit-Policy")


async def charge(
    limiter: RateLimiter,
    plans: ScopedPlans,
    caller: Caller | None,
    request: web.Request,
    addresses: ClientAddresses,
) -> Decision | None:
    """Debit limits per address from the client's address, those per person from the caller.

    Return the last decision; None if there is nothing to charge.

    Raises:
        Problem: 429 if a limit is exceeded.
        RateLimiterUnavailable: Redis is away, and a limit admits no uncounted request.
    """
    decision: Decision | None = None
    if plans.address is not None:  # most reads have limits per person only
        decision = await charge_address(limiter, plans, addresses.of(request))
        if decision is not None and not decision.admitted:
            raise limit_exceeded(decision)
    if caller is not None and plans.user is not None:
        decision = await limiter.take_plan(plans.user, f"p:{caller.subject}")
        if not decision.admitted:
            raise limit_exceeded(decision)
    return decision


async def charge_address(limiter: RateLimiter, plans: ScopedPlans, address: str) -> Decision | None:
    """Debit the limits of a client's address, and of the networks around one of IPv6.

    Return None if the plans have no limit per address.
    """
    groups = networks_around(address)
    plan = plans.address_in_groups if groups else plans.address
    return None if plan is None else await limiter.take_plan(plan, f"i:{address}", groups)


async def charge_person(
    limiter: RateLimiter, name: str, context: RequestContext, cost: int = 1
) -> Decision:
    """Debit one limit of the calling person, for what only the handler knows.

    Raises:
        Problem: 429 if the limit is exceeded.
    """
    plan = limiter.plans((name,), cost).user
    if plan is None:
        raise LookupError(f"{name} is not counted per person")
    decision = await limiter.take_plan(plan, f"p:{context.caller.subject}")
    if not decision.admitted:
        raise limit_exceeded(decision)
    return decision


def limit_exceeded(decision: Decision) -> Problem:
    """Return 429 with what was exceeded and when to try again."""
    limits = [bucket.limit for bucket in decision.exceeded]
    allowed = " and ".join(f"{limit.quantity} in {_span(limit.window)}" for limit in limits)
    wait, own = decision.retry_after, decision.plan.limits[: decision.plan.own]
    source = "" if any(limit in own for limit in limits) else " from your network"
    detail = f"Too many requests{source}: {allowed} are allowed. Try again in {time_to_wait(wait)}."
    problem = too_many([limit.name for limit in limits], detail, wait)
    headers = dict(problem.headers)
    add_headers(decision, headers)
    problem.headers = headers
    return problem


def add_headers(decision: Decision, headers: MutableMapping[str, str]) -> None:
    """Add `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers)."""
    if decision.plan.policy_header:
        headers[RATE_LIMIT] = decision.rate_limit_header
        headers[RATE_LIMIT_POLICY] = decision.plan.policy_header


def time_to_wait(seconds: int) -> str:
    """Return a time in words; from two minutes on rounded up, since `Retry-After` is exact."""
    for beyond, size, name in ((10_800, 3_600, "hours"), (119, 60, "minutes")):
        if seconds > beyond:
            return f"{math.ceil(seconds / size)} {name}"
    return f"{seconds} s"


def _span(seconds: int) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {name}s" if count > 1 else f"a {name}".replace("a hour", "an hour")
    return f"{seconds} s"
