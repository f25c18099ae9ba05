"""Documentation and probes: limited per address, compressed and cached."""

import asyncio
import gzip

import pytest
from aiohttp.test_utils import make_mocked_request

from chassis.run.health import Health
from gateway.http.docs_page.page import SCRIPT_PATH, STYLE_PATH
from tests.gateway.conftest import GatewayClient, Gateways

PAGES = ["/docs", "/v1/openapi.json", STYLE_PATH, SCRIPT_PATH]


@pytest.mark.parametrize(("limit", "path"), [*(("pages", p) for p in PAGES), ("probes", "/readyz")])
async def test_an_address_can_request_a_page_as_often_as_its_limit_says(
    limit: str, path: str, gateways: Gateways
) -> None:
    await gateways.redis.hset("gateway:limits", limit, "2/3600")
    client = await gateways.open(trusted_proxy_hops=1)
    headers = {"X-Forwarded-For": "198.51.100.1"}
    statuses = [(await client.get(path, headers=headers)).status for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    other = {"X-Forwarded-For": "198.51.100.2"}
    assert (await client.get(path, headers=other)).status == 200


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_compressed_for_clients_that_accept_gzip(
    path: str, client: GatewayClient
) -> None:
    url, session = client.url + path, client.session
    async with session.get(url, headers={"Accept-Encoding": "identity"}) as plain:
        body = await plain.read()
    headers = {"Accept-Encoding": "br, gzip;q=0.8"}
    async with session.get(url, headers=headers, auto_decompress=False) as response:
        compressed = await response.read()
        assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(compressed) == body
    assert len(compressed) < len(body)
    assert plain.headers["Vary"] == response.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["Cache-Control"] == "public, max-age=300"
    assert plain.headers["ETag"] != response.headers["ETag"]
    for tagged, encoding in ((plain, "identity"), (response, "gzip")):
        headers = {"If-None-Match": tagged.headers["ETag"], "Accept-Encoding": encoding}
        async with session.get(url, headers=headers) as current:
            assert (current.status, await current.read()) == (304, b"")


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip; q=0.0", "*;q=0"])
async def test_a_page_is_plain_for_other_clients(accepted: str, client: GatewayClient) -> None:
    headers = {"Accept-Encoding": accepted}
    async with client.session.get(f"{client.url}/docs", headers=headers) as response:
        assert "Content-Encoding" not in response.headers


async def test_probes_that_arrive_together_share_one_check() -> None:
    runs = 0

    async def counted() -> bool:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        return True

    health, request = Health({"counted": counted}), make_mocked_request("GET", "/readyz")
    for expected in (1, 2):
        replies = await asyncio.gather(*(health.public_readyz(request) for _ in range(5)))
        assert {reply.status for reply in replies} == {200}
        assert runs == expected
