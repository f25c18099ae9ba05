"""A server that answers with a list of responses, and clients of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiohttp import web

DROPPED = "dropped"
"""Instead of a response: the connection is closed."""
SILENT = "silent"
"""Instead of a response: nothing is sent until the server stops."""


@dataclass(frozen=True)
class Scripted:
    """A response of the service."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Received:
    """A request that arrived."""

    headers: dict[str, str]
    body: bytes
    peer: Any


@dataclass
class Server:
    """Answers requests in the order of `script`; the last answer is repeated."""

    script: list[Scripted | str] = field(default_factory=lambda: [Scripted()])
    received: list[Received] = field(default_factory=list)
    url: str = ""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a request has arrived since the last `answer`."""
    runner: Any = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, *script: Scripted | str) -> None:
        self.script = [*script]
        self.received.clear()
        self.arrived.clear()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        headers = {name.lower(): value for name, value in request.headers.items()}
        peer = request.transport.get_extra_info("peername")
        self.received.append(Received(headers, await request.read(), peer))
        self.arrived.set()
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Scripted):
            return web.Response(
                body=answer.body, status=answer.status, headers={"Date": DATE, **answer.headers}
            )
        if answer == SILENT:
            await self._stopping.wait()
        request.transport.abort()
        raise asyncio.CancelledError

    def close_connections(self) -> None:
        """Close every connection, as a server does with idle ones."""
        for connection in self.runner.server.connections:
            if connection.transport is not None:
                connection.transport.close()


DATE = "Fri, 27 Nov 2026 21:00:00 GMT"


@asynccontextmanager
async def serve() -> AsyncIterator[Server]:
    server = Server()
    server.runner = runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server._stopping.set()
        await runner.cleanup()


def open_client(service: str, url: str | None, *, attempts: int = 1, **config: Any) -> Any:
    """Return an unopened client of aiobotocore."""
    settings: dict[str, Any] = {
        "retries": {"mode": "standard", "total_max_attempts": attempts},
        "connect_timeout": 5,
        "read_timeout": 5,
        "user_agent": "test",
        "parameter_validation": False,
        **config,
    }
    return get_session().create_client(
        service,
        endpoint_url=url,
        region_name="eu-west-2",
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",
        config=AioConfig(**settings),
    )


async def outcome_of(call: Any) -> Any:
    """Return the reply of a call, or everything that an error says."""
    try:
        return await call
    except Exception as error:  # noqa: BLE001  the result
        # only aiobotocore keeps the request, with its signature, in an error
        said = {n: str(v) for n, v in vars(error).items() if n not in ("kwargs", "request")}
        return type(error).__name__, str(error), getattr(error, "response", None), said
