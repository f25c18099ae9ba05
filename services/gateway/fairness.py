"""What a request may cost its caller, and how that is told in headers."""

from collections.abc import Sequence
from typing import Final

from gateway.auth import Caller
from gateway.errors import too_many
from gateway.limits import Charge, Limiter, Scope, Verdict

EVERYBODY: Final = "all"


async def charge(
    limiter: Limiter, names: Sequence[str], *, caller: Caller | None, address: str
) -> Verdict | None:
    """Debit the named limits: a person's from the caller, an address's from the address.

    Raises:
        Problem: 429 if one of them has no room.
        Closed: they cannot be counted, and nobody may pass uncounted.
    """
    limits = [limiter.table[name] for name in names]
    by_address = [limit for limit in limits if limit.scope is Scope.ADDRESS]
    by_person = [limit for limit in limits if limit.scope is Scope.PERSON]
    verdict = None
    if by_address:
        verdict = await _enforce(limiter, [Charge(limit, f"i:{address}") for limit in by_address])
    if by_person and caller is not None:
        owner = f"p:{caller.subject}"
        verdict = await _enforce(limiter, [Charge(limit, owner) for limit in by_person])
    return verdict


async def _enforce(limiter: Limiter, charges: Sequence[Charge]) -> Verdict:
    verdict = await limiter.take(*charges)
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
    problem.headers = {**problem.headers, **headers(verdict)}
    raise problem


def headers(verdict: Verdict) -> dict[str, str]:
    """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers)."""
    shown = [level for level in verdict.levels if not level.limit.shadow]
    return {
        "RateLimit": ", ".join(
            f'"{level.limit.name}";r={max(level.left, 0)};t={int(level.full_in) + 1}'
            for level in shown
        ),
        "RateLimit-Policy": ", ".join(level.limit.policy for level in shown),
    }


def _span(seconds: int) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {name}s" if count > 1 else f"a {name}".replace("a hour", "an hour")
    return f"{seconds} s"
