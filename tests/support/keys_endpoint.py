"""Where a user pool publishes its keys, over HTTP; it can be down, and counts who asks."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from aiohttp import web

from deploy.local.settings import HOST
from tests.gateway.environment import Issuer

HOW_TO_BE_DOWN = ("error", "hang up", "silence")
SILENT_SECONDS = 30


@dataclass
class KeysEndpoint:
    issuer: Issuer
    down: bool = False
    requests: int = 0
    broken: int = 0
    """Of them; each is repeated once, by aiohttp."""
    url: str = ""
    _ways: Iterator[str] = field(default_factory=lambda: itertools.cycle(HOW_TO_BE_DOWN))
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def fetches(self) -> int:
        return self.requests - self.broken

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        if not self.down:
            return web.Response(body=self.issuer.jwks(), content_type="application/json")
        match next(self._ways):
            case "silence":
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), SILENT_SECONDS)
            case "hang up" if request.transport is not None:
                self.broken += 1
                request.transport.abort()
        return web.Response(status=503)

    def close(self) -> None:
        self._closing.set()


@contextlib.asynccontextmanager
async def keys_endpoint(issuer: Issuer) -> AsyncIterator[KeysEndpoint]:
    endpoint = KeysEndpoint(issuer)
    app = web.Application()
    app.router.add_get("/jwks.json", endpoint.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    endpoint.url = f"http://{HOST}:{runner.addresses[0][1]}/jwks.json"
    try:
        yield endpoint
    finally:
        endpoint.close()
        await runner.cleanup()
