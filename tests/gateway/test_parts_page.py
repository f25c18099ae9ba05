"""The snippets of docs/parts.md run, each as a program of its own would."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.gateway.environment import ALICE, ISSUER, Issuer
from tests.support.keys_endpoint import keys_endpoint
from tests.support.redis_server import RedisServer

TEXT = (Path(__file__).parents[2] / "docs" / "parts.md").read_text()
AUTH, LIMITS, TICK = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def module(code: str) -> Any:
    snippet = ModuleType("snippet")
    exec(compile(code, "docs/parts.md", "exec"), snippet.__dict__)  # noqa: S102  our own page
    return snippet


async def test_tokens(issuer: Issuer, capsys: pytest.CaptureFixture[str]) -> None:
    groups: dict[str, Any] = {"cognito:groups": ["admin"]}
    async with keys_endpoint(issuer) as endpoint:
        await module(AUTH).main(ISSUER, endpoint.url, issuer.access(**groups))
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
