"""aiohttp still has the private names that the gateway uses, with the same meaning."""

import asyncio
import re
from pathlib import Path

from aiohttp import web

from gateway.edge.aiohttp_internals import Runner, has_received_request, is_idle
from tests.support.eventually import eventually

GATEWAY = Path(__file__).parents[2] / "services" / "gateway"
PRIVATE = re.compile(
    r"\b_(waiter|messages|request_count|kwargs|make_server|handler_waiter|payload)\b"
)


class Observed(web.RequestHandler):
    __slots__ = ()


async def test_a_runner_uses_its_connection_class_and_its_middleware() -> None:
    respond, seen = asyncio.Event(), asyncio.Event()

    async def handle(_request: web.Request) -> web.Response:
        seen.set()
        await respond.wait()
        return web.Response(text="handled")

    async def middleware(request: web.Request, handler: object) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)  # type: ignore[operator]
        response.headers["X-Seen"] = request.path
        return response

    app = web.Application()
    app.router.add_get("/", handle)
    runner = Runner(app, Observed, middleware, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def connected() -> bool:
        assert runner.server is not None
        return len(runner.server.connections) == 1

    await eventually(connected)
    assert runner.server is not None
    (connection,) = runner.server.connections
    assert type(connection) is Observed

    async def idle() -> bool:
        return is_idle(connection)

    await eventually(idle)
    assert not has_received_request(connection)
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    await seen.wait()
    assert has_received_request(connection)
    assert not is_idle(connection)
    respond.set()
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"X-Seen: /" in head
    await eventually(idle)
    writer.write(b"GET /nothing HTTP/1.1\r\nHost: here\r\n\r\n")
    writer.close()
    await runner.cleanup()


def test_no_other_module_uses_private_names_of_aiohttp() -> None:
    users = {path.name for path in GATEWAY.rglob("*.py") if PRIVATE.search(path.read_text())}
    assert users == {"aiohttp_internals.py"}
