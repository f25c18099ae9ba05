"""aiohttp still has the private names that the gateway uses, with the same meaning."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from gateway.edge.aiohttp_internals import Runner, fixed_paths, has_received_request, is_idle
from tests.gateway.conftest import GatewayClient
from tests.support.eventually import eventually

GATEWAY = Path(__file__).parents[2] / "services" / "gateway"
PRIVATE = re.compile(
    r"\b_(waiter|messages|request_count|kwargs|make_server|handler_waiter|payload|match_info|serialize_headers)\b"
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


async def test_the_table_of_fixed_paths_agrees_with_the_router(client: GatewayClient) -> None:
    app = client.gateway.public
    table = fixed_paths(app)
    assert {("GET", "/v1/me"), ("HEAD", "/v1/me"), ("POST", "/v1/me")} <= set(table)
    for (method, path), (match, handler) in table.items():
        found = await app.router.resolve(make_mocked_request(method, path))
        assert (found.route, found.handler, dict(found)) == (match.route, handler, dict(match))


@pytest.mark.parametrize(
    ("path", "status"),
    [("/fixed", 200), ("/fixed?a=/b", 200), ("/fix%65d", 200), ("//fixed", 404), ("/fixed/", 404)],
)
@pytest.mark.parametrize("headers", [{}, {"Expect": "100-continue"}], ids=["plain", "expect"])
async def test_a_fixed_path_is_handled_as_by_the_router(
    path: str, status: int, headers: dict[str, str]
) -> None:
    async def handle(request: web.Request) -> web.Response:
        assert request.match_info.route.resource is not None
        return web.Response(text=f"{request.match_info.route.resource.canonical} {request.path}")

    async def name(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Prepared"] = "yes"

    app = web.Application()
    app.router.add_get("/fixed", handle)
    app.on_response_prepare.append(name)
    runner = Runner(app, Observed, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:
        async with session.get(URL(url + path, encoded=True), headers=headers) as response:
            assert response.status == status
            if status == 200:
                assert await response.text() == "/fixed /fixed"
                assert response.headers["X-Prepared"] == "yes"
        async with session.post(url + "/fixed", headers=headers) as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")
    await runner.cleanup()


def test_no_other_module_uses_private_names_of_aiohttp() -> None:
    users = {path.name for path in GATEWAY.rglob("*.py") if PRIVATE.search(path.read_text())}
    assert users == {"aiohttp_internals.py"}
