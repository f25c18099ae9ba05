"""Redis dies under load and returns empty; the gateway recovers without a restart."""

import asyncio
import time
from collections import Counter

from tests.gateway.conftest import GatewayClient, Gateways
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer

GUESS = "/v1/referral/valid?referral_code=00000-00000"


async def test_a_redis_outage_answers_503_and_ends_by_itself(
    client: GatewayClient, redis_server: RedisServer
) -> None:
    token = client.issuer.access()
    await client.post("/v1/me", client.issuer.id())
    seen: Counter[int] = Counter()
    guesses: Counter[int] = Counter()
    stop = asyncio.Event()

    async def read() -> None:
        while not stop.is_set():
            seen[(await client.get("/v1/me", token)).status] += 1
            guesses[(await client.get(GUESS)).status] += 1
            await asyncio.sleep(0.01)  # a pause between two requests

    async def rejected() -> bool:
        return seen[503] > 20

    started = time.monotonic()
    readers = [asyncio.create_task(read()) for _ in range(4)]
    await redis_server.kill()
    await eventually(rejected)
    assert "redis" in (await client.get("/readyz")).json["missing"]
    await redis_server.start()
    await client.bus.rebuild_read_models()

    async def recovered() -> bool:
        return (await client.get("/v1/me", client.issuer.access("carol"))).status == 404

    await eventually(recovered)
    stop.set()
    await asyncio.gather(*readers)
    assert set(seen) <= {200, 404, 429, 503}, seen
    assert set(guesses) <= {200, 429, 503}, guesses
    refilled = (time.monotonic() - started) / 6
    assert guesses[200] <= 20 + refilled  # ten before, ten after: the counters were lost
    assert (await client.post("/v1/me", client.issuer.id("bob"))).status == 201

    async def ready() -> bool:
        return (await client.get("/readyz")).status == 200

    await eventually(ready)


async def test_a_redis_that_hangs_is_treated_as_an_outage(
    gateways: Gateways, redis_server: RedisServer
) -> None:
    """Requests wait for one time-out each, in parallel."""
    gateways.redis_timeout = 1.0
    client = await gateways.open()
    token = client.issuer.access()
    await client.post("/v1/me", client.issuer.id())
    redis_server.suspend()
    try:
        async with asyncio.timeout(20):  # a hundred time-outs in sequence take ten times as long
            reads = [(await client.get("/v1/me", token)).status for _ in range(50)]
            guesses = [(await client.get(GUESS)).status for _ in range(50)]
    finally:
        redis_server.resume()
    assert set(reads) <= {429, 503}
    assert set(guesses) == {503}

    async def recovered() -> bool:
        return (await client.get("/v1/me", token)).status == 200

    await eventually(recovered)
