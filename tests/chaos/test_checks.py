"""The checks repeat a read that is refused for a moment, and report one that stays refused."""

from collections.abc import Sequence

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.chaos import checks


async def _read(statuses: Sequence[int]) -> tuple[int, object]:
    """Read from a server that answers with these statuses, and repeats the last one."""
    left = list(statuses)

    async def answer(_request: web.Request) -> web.Response:
        status = left.pop(0) if len(left) > 1 else left[0]
        return web.json_response({"status": status}, status=status)

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        return await checks.read_when_available(session, "/", "token")


async def test_a_read_that_is_refused_for_a_moment_is_repeated() -> None:
    assert await _read([503, 503, 200]) == (200, {"status": 200})


async def test_a_read_that_fails_is_reported_at_once() -> None:
    assert await _read([404, 200]) == (404, {"status": 404})


async def test_a_read_that_stays_refused_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "AVAILABLE_SECONDS", 0.05)
    assert await _read([503]) == (503, {"status": 503})
