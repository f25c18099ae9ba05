"""Which web pages of other origins may call us from a browser."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from aiohttp import web

_SENT: Final = (
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, "
    "X-Min-Position, X-Request-ID, traceparent"
)
_SHOWN: Final = (
    "ETag, Idempotency-Replayed, Location, Preference-Applied, RateLimit, RateLimit-Policy, "
    "Retry-After, X-Position, X-Request-ID"
)


@dataclass(frozen=True, slots=True)
class Cors:
    """An allow-list of origins, such as `https://app.example.com`; no wildcards."""

    origins: AbstractSet[str] = frozenset()
    methods: AbstractSet[str] = frozenset()
    """Those that something is served under."""

    def preflight(self, request: web.Request) -> web.Response | None:
        """The answer to a browser that asks beforehand; None to everybody else."""
        if request.method != "OPTIONS" or not self._allows(request):
            return None
        if "Access-Control-Request-Method" not in request.headers:
            return None
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": ", ".join(sorted(self.methods)),
                "Access-Control-Allow-Headers": _SENT,
                "Access-Control-Max-Age": "7200",
            },
        )

    def dress(self, request: web.Request, response: web.StreamResponse) -> None:
        if not self.origins:
            return
        response.headers["Vary"] = "Origin"
        if self._allows(request):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = _SHOWN

    def _allows(self, request: web.Request) -> bool:
        return request.headers.get("Origin") in self.origins
