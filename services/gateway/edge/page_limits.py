"""Limit requests for what is served besides routes: the documentation, and probes."""

from dataclasses import dataclass

from aiohttp import web

from gateway.edge.aiohttp_internals import Handler
from gateway.http.client_address import ClientAddresses, networks_around
from gateway.limits.rate_limit import limit_exceeded
from token_bucket import RateLimiter


@dataclass(frozen=True, slots=True)
class PageLimits:
    """Count in this process: a probe must not wait for Redis, whose state it reports."""

    limiter: RateLimiter
    addresses: ClientAddresses

    def limited(self, name: str, handler: Handler) -> Handler:
        """Return a handler that first charges a limit per address.

        It raises `Problem` (429) if the limit is exceeded.
        """

        async def serve(request: web.Request) -> web.StreamResponse:
            self._charge(name, request)
            return await handler(request)

        return serve

    def _charge(self, name: str, request: web.Request) -> None:
        plans, address = self.limiter.plans((name,)), self.addresses.of(request)
        groups = networks_around(address)
        plan = plans.address_in_groups if groups else plans.address
        if plan is None:
            raise LookupError(f"{name} is not counted per address")
        decision = self.limiter.take_here(plan, f"i:{address}", groups)
        if not decision.admitted:
            raise limit_exceeded(decision)
