"""Starting an analysis counts against one limit, whichever request starts it."""

import time

import pytest

from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.test_clusters import JOB, PATH, store_report


def path(number: int) -> str:
    return f"/v1/tokens/cluster/ethereum/0x{number:040x}"


@pytest.fixture
async def client(gateways: Gateways) -> GatewayClient:
    return await gateways.open()


@pytest.mark.parametrize("view", ["", "/holders", "/graph"])
async def test_reads_start_five_analyses_an_hour(view: str, client: GatewayClient) -> None:
    token = client.issuer.access()
    replies = [await client.get(path(number) + view, token) for number in range(1, 13)]
    assert [reply.status for reply in replies] == [202] * 5 + [429] * 7
    assert replies[5].json["violated-policies"] == ["refreshes"]
    assert len(client.bus.sent) == 5
    refreshed = await client.post(f"{path(99)}/refresh", token)
    assert (refreshed.status, refreshed.json["violated-policies"]) == (429, ["refreshes"])
    other = await client.get(path(99), client.issuer.access("bob"))
    assert other.status == 202


async def test_refreshes_count_against_what_reads_may_start(client: GatewayClient) -> None:
    token = client.issuer.access()
    for number in range(1, 6):
        assert (await client.post(f"{path(number)}/refresh", token)).status == 202
    assert (await client.get(path(6), token)).status == 429


async def test_looking_at_a_running_analysis_is_no_start(client: GatewayClient) -> None:
    token = client.issuer.access()
    statuses = {(await client.get(path(1), token)).status for _ in range(20)}
    assert statuses == {202}
    assert len(client.bus.sent) == 1


async def test_a_stale_report_is_served_to_a_caller_who_may_start_none(
    client: GatewayClient, gateways: Gateways
) -> None:
    token = client.issuer.access()
    for number in range(1, 6):
        await client.get(path(number), token)
    await store_report(gateways, int(time.time()) - 4 * 3600)
    stale = await client.get(PATH, token)
    assert (stale.status, stale.json["freshness"]["state"]) == (200, "stale")
    assert "jobId" not in stale.json["freshness"]
    assert len(client.bus.sent) == 5
    fresher = await client.get(PATH, client.issuer.access("bob"))
    assert fresher.json["freshness"]["jobId"] == JOB
