"""Forward requests to the local AWS and lose some of its replies."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import ClientSession, web


@dataclass
class ReplyDropper:
    """Drop the replies to the next `losses` requests for one of `operations`."""

    upstream: str
    operations: set[str] = field(default_factory=set)
    losses: int = 0
    lost: int = 0
    url: str = ""

    def lose(self, losses: int, *operations: str) -> None:
        self.operations, self.losses, self.lost = set(operations), losses, 0

    async def forward(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        async with (
            ClientSession(auto_decompress=False) as session,
            session.request(
                request.method, f"{self.upstream}{request.path_qs}", data=body,
                headers={k: v for k, v in request.headers.items() if k != "Content-Length"},
            ) as reply,
        ):  # fmt: skip
            content = await reply.read()
            operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
            if operation in self.operations and self.lost < self.losses:
                self.lost += 1
                assert request.transport is not None
                request.transport.abort()  # AWS has executed the request; the client does not know
                raise asyncio.CancelledError
            return web.Response(status=reply.status, body=content, content_type=reply.content_type)


@contextlib.asynccontextmanager
async def reply_dropper(upstream: str) -> AsyncIterator[ReplyDropper]:
    dropper = ReplyDropper(upstream)
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", dropper.forward)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    (host, port, *_) = runner.addresses[0]
    dropper.url = f"http://{host}:{port}"
    try:
        yield dropper
    finally:
        await runner.cleanup()
