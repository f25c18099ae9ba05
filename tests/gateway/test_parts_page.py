"""The snippets of docs/parts.md run, each as a program of its own would."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiohttp import web
from redis.asyncio import Redis

from gateway.server import serving
from tests.gateway.conftest import RedisServer
from tests.gateway.world import ALICE, ISSUER, Issuer

TEXT = (Path(__file__).parents[2] / "docs" / "parts.md").read_text()
AUTH, LIMITS, TICK = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def module(code: str) -> Any:
    snippet = ModuleType("snippet")
    exec(compile(code, "docs/parts.md", "exec"), snippet.__dict__)  # noqa: S102  our own page
    return snippet


@pytest.fixture
async def jwks_url(issuer: Issuer) -> AsyncIterator[str]:
    async def serve(_request: web.Request) -> web.Response:
        return web.Response(body=await issuer.fetch(), content_type="application/json")

    app = web.Application()
    app.router.add_get("/jwks.json", serve)
    async with serving(app, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}/jwks.json"


async def test_tokens(jwks_url: str, issuer: Issuer, capsys: pytest.CaptureFixture[str]) -> None:
    groups: dict[str, Any] = {"cognito:groups": ["admin"]}
    await module(AUTH).main(ISSUER, jwks_url, issuer.access(**groups))
    told = [line for line in capsys.readouterr().out.splitlines() if "jwks" not in line]
    assert told[0] == f"{ALICE} access ['admin']"
    assert len(told) == 4
    assert "try again in a while" not in told


@pytest.mark.usefixtures("redis")
async def test_limits(redis_server: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    await module(LIMITS).main(redis_server.url)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith('RateLimit: "often";r=4;t=')
    assert '"daily";r=1;t=' in second
    assert re.fullmatch(r"refused by \['daily'\] for \d+ s", third)


async def test_ticks(
    redis: Redis, redis_server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    await module(TICK).main(redis_server.url)
    assert capsys.readouterr().out == "42\n"
    assert await redis.dbsize() == 1000
