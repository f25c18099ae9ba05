"""Health checks run in parallel, are limited in time, and are named when they fail."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from chassis.run import health
from chassis.run.health import Health


async def passing() -> bool:
    return True


async def failing() -> bool:
    return False


async def raising() -> bool:
    raise OSError("connection refused")


async def hanging() -> bool:
    await asyncio.sleep(3600)
    return True


async def readyz(checks: Health) -> tuple[int, Any]:
    response = await checks.readyz(make_mocked_request("GET", "/readyz"))
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body)


async def test_a_process_is_ready_while_all_checks_pass() -> None:
    assert await readyz(Health({"redis": passing})) == (200, {"status": "ready"})


async def test_failing_checks_are_named() -> None:
    checks = {"redis": passing, "bus": failing, "keys": raising}
    status, body = await readyz(Health(checks))
    assert (status, body["missing"]) == (503, ["bus", "keys"])
    assert body["detail"] == "not ready: bus, keys"


async def test_slow_checks_fail_together_after_one_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    slow = Health({f"check {number}": hanging for number in range(100)})
    async with asyncio.timeout(4):  # a hundred time limits in sequence take longer
        assert len(await slow.failing()) == 100


async def test_a_draining_process_is_alive_and_not_ready() -> None:
    draining = Health({"redis": passing}, draining=True)
    status, body = await readyz(draining)
    assert (status, body["missing"]) == (503, ["draining"])
    alive = await draining.healthz(make_mocked_request("GET", "/healthz"))
    assert alive.status == 200
