"""Health checks run in parallel, are limited in time, and are named when they fail."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from redis.exceptions import OutOfMemoryError, ResponseError

from chassis.resilience.outages import Outages
from chassis.run import health
from chassis.run.health import Health, writable
from deploy.local.settings import HOST
from redis_batching import connect
from tests.support.eventually import eventually
from tests.support.redis_cluster import redis_cluster


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
    assert body["detail"] == "not ready: bus, keys: OSError connection refused"
    assert body["reasons"] == {"keys": "OSError connection refused"}


async def test_the_public_path_does_not_report_reasons() -> None:
    checks = Health({"keys": raising})
    response = await checks.public_readyz(make_mocked_request("GET", "/readyz"))
    assert isinstance(response.body, bytes)
    body = json.loads(response.body)
    assert (body["detail"], body["missing"], body["reasons"]) == ("not ready: keys", ["keys"], {})


async def test_an_outage_is_named_with_its_reason_until_it_ends() -> None:
    outages = Outages()
    health = Health({"redis": passing}, outages=outages)
    outages.failed("one", ResponseError("OOM command not allowed when used memory > 'maxmemory'."))
    status, body = await readyz(health)
    assert status == 503
    assert body["detail"] == (
        "not ready: redis: OOM command not allowed when used memory > 'maxmemory'."
    )
    outages.succeeded("one")
    assert await readyz(health) == (200, {"status": "ready"})


async def test_redis_is_ready_only_if_it_accepts_a_write() -> None:
    class OutOfMemory:
        async def key_on_each_primary(self, name: Callable[[int], str]) -> list[Any]:
            return [(self, name(0))]

        async def set(self, *_: object, **__: object) -> bool:
            raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")

    status, body = await readyz(Health({"redis": writable(OutOfMemory(), "counting")}))
    assert (status, body["missing"]) == (503, ["redis"])
    assert body["detail"].startswith("not ready: redis: OOM command not allowed")


@pytest.mark.stack
async def test_redis_is_ready_only_if_every_shard_accepts_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard that is full, one that is a replica, and one that hangs."""
    monkeypatch.setattr(health, "CHECK_SECONDS", 60)  # a shard is reported before its check is
    async with (
        redis_cluster(tmp_path, node_timeout=60_000) as cluster,  # the others do not give it up
        connect(cluster.url) as redis,
    ):
        checked = Health({"redis": writable(redis, "counting")})
        assert await checked.failing() == {}
        for server in cluster.servers:
            await server.configure(min_replicas_to_write="1")
            named = f"shard {HOST}:{server.port}: NOREPLICAS"
            assert (await checked.failing())["redis"].startswith(named)
            await server.configure(min_replicas_to_write="0")
            assert await checked.failing() == {}
        for server in cluster.servers:
            server.suspend()
            assert (await checked.failing())["redis"].startswith(f"shard {HOST}:{server.port}: ")
            server.resume()
            await eventually(lambda: _passes(checked))


async def _passes(health: Health) -> bool:
    return not await health.failing()


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
