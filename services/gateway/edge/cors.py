"""Allow web pages of other origins to call the API from a browser."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from aiohttp import web

_REQUEST_HEADERS: Final = (
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, "
    "X-Min-Position, X-Proof-Of-Work, X-Request-ID, traceparent"
)
_RESPONSE_HEADERS: Final = (
    "ETag, Idempotency-Replayed, Location, Preference-Applied, RateLimit, RateLimit-Policy, "
    "Retry-After, X-Position, X-Request-ID"
)


@dataclass(frozen=True, slots=True)
class Cors:
    """Apply an allow-list of origins, such as `https://app.example.com`, without wildcards."""

    origins: AbstractSet[str] = frozenset()
    methods: AbstractSet[str] = frozenset()
    """Methods that routes use."""

    def preflight(self, request: web.Request) -> web.Response | None:
        """Return the response to a preflight request; None for any other request."""
        if request.method != "OPTIONS" or not self._allows(request):
            return None
        if "Access-Control-Request-Method" not in request.headers:
            return None
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": ", ".join(sorted(self.methods)),
                "Access-Control-Allow-Headers": _REQUEST_HEADERS,
                "Access-Control-Max-Age": "7200",
            },
        )

    def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the CORS headers to a response, if any origin is allowed."""
        if not self.origins:
            return
        vary = response.headers.get("Vary")
        response.headers["Vary"] = "Origin" if vary is None else f"{vary}, Origin"
        if self._allows(request):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = _RESPONSE_HEADERS

    def _allows(self, request: web.Request) -> bool:
        return request.headers.get("Origin") in self.origins
