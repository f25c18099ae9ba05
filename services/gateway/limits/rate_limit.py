"""What a request may cost its caller, and how that is told in headers."""

from collections.abc import MutableMapping
from typing import Final

from aiohttp import web
from multidict import istr

from cognito_jwt import Caller
from gateway.http.problems import too_many
from gateway.limits.address import client_address
from token_bucket import Limiter, Plans, Verdict

EVERYBODY: Final = "all"
RATE_LIMIT: Final = istr("RateLimit")
RATE_LIMIT_POLICY: Final = istr("RateLimit-Policy")


async def charge(
    limiter: Limiter,
    plans: Plans,
    caller: Caller | None,
    request: web.Request,
    hops: int,
) -> Verdict | None:
    """Debit the limits: a person's from the caller, an address's from the address.

    Raises:
        Problem: 429 if one of them has no room.
        Closed: they cannot be counted, and nobody may pass uncounted.
    """
    verdict = None
    if plans.address is not None:
        verdict = await limiter.debit(plans.address, f"i:{client_address(request, hops)}")
        if not verdict.admitted:
            refuse(verdict)
    if caller is not None and plans.person is not None:
        verdict = await limiter.debit(plans.person, f"p:{caller.subject}")
        if not verdict.admitted:
            refuse(verdict)
    return verdict


def refuse(verdict: Verdict) -> None:
    """Raise 429 with what was exceeded and when to come back."""
    limits = [level.limit for level in verdict.refusing]
    allowed = " and ".join(f"{limit.quantity} in {_span(limit.window)}" for limit in limits)
    wait = verdict.retry_after
    detail = f"Too many requests: {allowed} are allowed. Try again in {_span(wait)}."
    problem = too_many([limit.name for limit in limits], detail, wait)
    told = dict(problem.headers)
    tell(verdict, told)
    problem.headers = told
    raise problem


def tell(verdict: Verdict, headers: MutableMapping[str, str]) -> None:
    """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers), if any is told."""
    if verdict.plan.policy:
        headers[RATE_LIMIT] = verdict.standing
        headers[RATE_LIMIT_POLICY] = verdict.plan.policy


def _span(seconds: int) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {name}s" if count > 1 else f"a {name}".replace("a hour", "an hour")
    return f"{seconds} s"
