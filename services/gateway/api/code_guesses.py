"""Limit guesses at referral codes: callers that try too many wrong ones are rejected for a while.

Wrong guesses are counted per address, per account, and for all callers together. A spent budget
rejects callers before anything is looked up. Signed-in callers are exempt from the shared budget;
when it is spent, anonymous callers have to send a proof of work with each request.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from contracts.referral_code import normalise
from gateway.http.client_address import ClientAddresses
from gateway.http.problems import malformed, too_many
from gateway.http.routing import RequestContext
from gateway.limits.proof_of_work import ProofOfWork
from gateway.limits.rate_limit import ALL_CALLERS, charge_address, limit_exceeded
from token_bucket import Charge, Decision, RateLimiter

RETRY_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class CodeGuesses:
    """Count wrong guesses, and reject callers that have made too many."""

    limiter: RateLimiter
    addresses: ClientAddresses
    proofs: ProofOfWork

    async def check(self, context: RequestContext) -> None:
        """Reject a caller that has guessed too often.

        Raises:
            Problem: 429; with a challenge if only the shared budget is spent.
        """
        own, shared = await self._charge(context, 0)
        if own is not None:
            detail = "You have tried too many codes that cannot be used. Try again in a minute."
            raise too_many([own], detail, RETRY_SECONDS)
        if shared is not None and context.known_caller is None:
            detail = "Too many wrong codes are being tried. Sign in, or try again in a minute."
            await self.proofs.require(context.request, shared, detail)

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
        shared = Charge(self.limiter.table["guesses-missed"], ALL_CALLERS, cost)
        decisions = await asyncio.gather(  # one round trip: the client batches them
            self._charge_own(context, cost), self.limiter.take(shared)
        )
        own, of_all = (None if each is None else _spent(each) for each in decisions)
        return own, of_all

    async def _charge_own(self, context: RequestContext, cost: int) -> Decision | None:
        caller = context.known_caller
        if caller is None:
            plans = self.limiter.plans(("misses-address",), cost)
            return await charge_address(self.limiter, plans, self.addresses.of(context.request))
        limit = self.limiter.table["misses-person"]
        return await self.limiter.take(Charge(limit, f"p:{caller.subject}", cost))


def _spent(decision: Decision) -> str | None:
    """Return the name of the first limit that has no token left; limits in shadow mode aside."""
    return next(
        (
            bucket.limit.name
            for bucket in decision.buckets
            if bucket.remaining < 1 and not bucket.limit.shadow
        ),
        None,
    )


def read_code(text: str) -> str:
    """Return the stored form of a referral code as people type it.

    Raises:
        Problem: 400 for a text that cannot be a code; nothing is looked up for it.
    """
    try:
        return normalise(text)
    except ValueError as error:
        raise malformed(str(error), code="invalid_referral_code") from error
