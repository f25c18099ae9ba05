"""Limit guesses at referral codes: callers that try too many wrong ones are rejected for a while.

Wrong guesses are counted per address, per account, and for all callers together. A spent budget
rejects callers before anything is looked up; signed-in callers are exempt from the shared budget.
"""

from dataclasses import dataclass
from typing import Final

from contracts.referral_code import normalise
from gateway.http.client_address import ClientAddresses
from gateway.http.problems import malformed, too_many
from gateway.http.routing import RequestContext
from gateway.limits.rate_limit import ALL_CALLERS, limit_exceeded
from token_bucket import Charge, RateLimiter

RETRY_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class CodeGuesses:
    """Count wrong guesses, and reject callers that have made too many."""

    limiter: RateLimiter
    addresses: ClientAddresses

    async def check(self, context: RequestContext) -> None:
        """Reject a caller that has guessed too often.

        Raises:
            Problem: 429.
        """
        own, shared = await self._charge(context, 0)
        if own is not None:
            detail = "You have tried too many codes that cannot be used. Try again in a minute."
            raise too_many([own], detail, RETRY_SECONDS)
        if shared is not None and context.known_caller is None:
            detail = "Too many wrong codes are being tried. Sign in, or try again in a minute."
            raise too_many([shared], detail, RETRY_SECONDS)

    async def record(self, context: RequestContext, *, missed: bool) -> None:
        """Count a guess. Takes the same steps for a hit, so that timing reveals nothing."""
        await self._charge(context, 1 if missed else 0)

    async def charge_use(self, context: RequestContext, code: str) -> None:
        """Count an anonymous use of a code, whether or not the code exists.

        Raises:
            Problem: 429 if anonymous callers have used this code too often.
        """
        if context.known_caller is not None:
            return
        charge = Charge(self.limiter.table["code-uses"], f"c:{code}")
        decision = await self.limiter.take(charge)
        if not decision.admitted:
            raise limit_exceeded(decision)

    async def _charge(self, context: RequestContext, cost: int) -> tuple[str | None, str | None]:
        """Return the names of the spent budgets: the caller's, and the shared one."""
        limits, caller = self.limiter.table, context.known_caller
        if caller is None:
            address = self.addresses.of(context.request)
            own = Charge(limits["misses-address"], f"i:{address}", cost)
        else:
            own = Charge(limits["misses-person"], f"p:{caller.subject}", cost)
        shared = Charge(limits["guesses-missed"], ALL_CALLERS, cost)
        return await self._spent(own), await self._spent(shared)

    async def _spent(self, charge: Charge) -> str | None:
        verdict = await self.limiter.take(charge)
        spent = verdict.buckets[0].remaining < 1 and not charge.limit.shadow
        return charge.limit.name if spent else None


def read_code(text: str) -> str:
    """Return the stored form of a referral code as people type it.

    Raises:
        Problem: 400 for a text that cannot be a code; nothing is looked up for it.
    """
    try:
        return normalise(text)
    except ValueError as error:
        raise malformed(str(error), code="invalid_referral_code") from error
