"""Serve the signing keys of a user pool over HTTP; count requests and simulate outages."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from aiohttp import web

from deploy.local.settings import HOST
from tests.gateway.environment import Issuer

FAILURES = ("error", "disconnect", "silence")
SILENT_SECONDS = 30


@dataclass
class KeysEndpoint:
    """Serve the keys of an issuer, or fail in each way in turn while `down`."""

    issuer: Issuer
    down: bool = False
    requests: int = 0
    disconnected: int = 0
    """Requests whose connection was closed; aiohttp repeats each of them once."""
    url: str = ""
    _failures: Iterator[str] = field(default_factory=lambda: itertools.cycle(FAILURES))
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def fetches(self) -> int:
        return self.requests - self.disconnected

    async def respond(self, request: web.Request) -> web.Response:
        self.requests += 1
        if not self.down:
            return web.Response(body=self.issuer.jwks(), content_type="application/json")
        match next(self._failures):
            case "silence":
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), SILENT_SECONDS)
            case "disconnect" if request.transport is not None:
                self.disconnected += 1
                request.transport.abort()
        return web.Response(status=503)

    def close(self) -> None:
        self._closing.set()


@contextlib.asynccontextmanager
async def keys_endpoint(issuer: Issuer) -> AsyncIterator[KeysEndpoint]:
    endpoint = KeysEndpoint(issuer)
    app = web.Application()
    app.router.add_get("/jwks.json", endpoint.respond)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    endpoint.url = f"http://{HOST}:{runner.addresses[0][1]}/jwks.json"
    try:
        yield endpoint
    finally:
        endpoint.close()
        await runner.cleanup()
