"""Reports through the gateway: from the cache, from the table, over the bus, waited for."""

import asyncio
import time
from typing import Any

import orjson
import pytest

from compute.app import ChainAnnouncement
from contracts.cluster_report import (
    BlockTime,
    ClusterGraph,
    Holder,
    HolderChart,
    TokenMetadata,
    TokenScore,
)
from contracts.compute import (
    ANALYSIS_JOBS,
    CHAINS,
    CompleteAnalysis,
    FailAnalysis,
    StartAnalysis,
    analysis_stream,
    report_key,
    reports_cache,
)
from readthrough import RAO, VersionedStore
from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.test_event_streams import bearer, read_events
from tests.support.command_counts import calls_of_commands
from tests.support.eventually import eventually
from tests.support.reports import BLOCK, SHOWN, report, summary

TOKEN = "0x" + "ab" * 20
REPORT_KEY = report_key(1, TOKEN)
JOB = analysis_stream(1, TOKEN)
PATH = f"/v1/tokens/cluster/ethereum/{TOKEN}"


PARTS = ("metadata", "score", "holderchart")
VIEWS = (
    f"{PATH}/graph",
    f"{PATH}/holders",
    *(f"/v1/tokens/{part}/ethereum/{TOKEN}" for part in PARTS),
)


def parts(at: int) -> dict[str, bytes]:
    made = report(at)
    views = {
        "metadata": TokenMetadata(
            token_address=made.token_address,
            chain=made.chain,
            chain_id=made.chain_id,
            as_of=made.as_of,
            computed_at=at,
            token=made.token,
            created=BlockTime(block=1),
            supply=made.supply,
            holders=3,
            transfers=3,
        ),
        "score": TokenScore(
            computed_at=at, as_of=made.as_of, score=None, rules="holding/1", components=()
        ),
        "holderchart": HolderChart(computed_at=at, as_of=made.as_of, items=()),
    }
    return {name: view.model_dump_json().encode() for name, view in views.items()}


async def store_report(gateways: Gateways, at: int, **options: Any) -> bytes:
    without = options.pop("without", ())
    made = report(at, *options.pop("members", ()), **options)
    body = made.model_dump_json().encode()
    holders = orjson.dumps(
        [
            Holder(address=f"0x{n}", rank=n, amount="1", share=0.1, kind="eoa").model_dump()
            for n in range(1, 6)
        ]
    )
    graph = ClusterGraph(computed_at=at, nodes=(), edges=()).model_dump_json().encode()
    bodies = {"report": body, "holders": holders, "graph": graph, **parts(at)}
    for name in without:
        del bodies[name]
    await VersionedStore(gateways.reports).put(REPORT_KEY, at, summary(at), bodies)
    return body


@pytest.fixture
async def client(gateways: Gateways) -> GatewayClient:
    return await gateways.open()


@pytest.fixture
def now() -> int:
    return int(time.time())


# A stored report


async def test_a_fresh_report_is_served_as_its_stored_bytes(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    body = await store_report(gateways, now - 60)
    response = await client.get(PATH, client.issuer.access())
    assert response.status == 200
    assert response.body.startswith(body[:-1])
    freshness = response.json["freshness"]
    assert freshness["state"] == "fresh"
    assert 60 <= freshness["ageSeconds"] < 70
    assert client.bus.sent == []


async def test_a_cached_report_costs_one_round_trip_and_is_not_decoded(
    client: GatewayClient, gateways: Gateways, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is read once from the cache, and no JSON is decoded."""
    body = await store_report(gateways, now)
    await client.get(PATH, client.issuer.access())
    read: list[str] = []
    rao = client.gateway.dependencies.reports.reports.rao
    retrieve, decode = rao.retrieve_bytes, orjson.loads

    async def counting(pk: str) -> bytes | None:
        read.append(pk)
        return await retrieve(pk)

    def limits_only(raw: bytes) -> Any:
        assert len(raw) < 64, "a report was decoded"
        return decode(raw)

    monkeypatch.setattr(rao, "retrieve_bytes", counting)
    monkeypatch.setattr(orjson, "loads", limits_only)
    before = await calls_of_commands(client.redis)
    response = await client.get(PATH, client.issuer.access())
    made = await calls_of_commands(client.redis) - before
    assert response.body.startswith(body[:-1])
    assert read == [REPORT_KEY]
    assert made["get"] == 1


async def test_all_spellings_of_a_token_lead_to_the_same_report(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now)
    for chain in ("ethereum", "1", "eip155:1", "ETHEREUM"):
        for address in (TOKEN, SHOWN, "0x" + "AB" * 20):
            path = f"/v1/tokens/cluster/{chain}/{address}"
            assert (await client.get(path, client.issuer.access())).status == 200


async def test_a_wrong_checksum_is_rejected_with_the_correct_spelling(
    client: GatewayClient,
) -> None:
    wrong = SHOWN.replace("0xAB", "0xAb")
    response = await client.get(f"/v1/tokens/cluster/ethereum/{wrong}", client.issuer.access())
    assert (response.status, response.json["code"]) == (400, "invalid_checksum")
    assert SHOWN in response.json["detail"]
    assert client.bus.sent == []


async def test_a_report_that_has_not_changed_responds_304(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now - 60)
    first = await client.get(PATH, client.issuer.access())
    again = await client.get(
        PATH, client.issuer.access(), headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (again.status, again.body) == (304, b"")


async def test_a_query_can_select_members_of_a_report(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now)
    response = await client.get(f"{PATH}?fields=metrics,quality", client.issuer.access())
    assert set(response.json) == {
        "tokenAddress", "chain", "chainId", "asOf", "computedAt", "metrics", "quality", "freshness",
    }  # fmt: skip
    wrong = await client.get(f"{PATH}?fields=metric", client.issuer.access())
    assert (wrong.status, wrong.json["errors"][0]["field"]) == (422, "fields")
    assert "metrics" in wrong.json["detail"]


async def test_a_past_report_can_be_requested(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now - 500)
    await store_report(gateways, now - 50)
    then = await client.get(f"{PATH}?at={now - 51}", client.issuer.access())
    assert then.json["computedAt"] == now - 500
    assert "freshness" not in then.json
    before = await client.get(f"{PATH}?at={now - 501}", client.issuer.access())
    assert (before.status, before.json["code"]) == (404, "no_report")


# Stale


async def test_a_stale_report_is_served_and_a_new_one_requested(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now - 4 * 3600)
    response = await client.get(PATH, client.issuer.access())
    assert response.status == 200
    assert response.json["freshness"]["state"] == "stale"
    assert response.json["freshness"]["jobId"] == JOB
    assert [sent.body["type"] for sent in client.bus.sent] == ["RequestAnalysis"]


async def test_a_stale_report_joins_a_running_job(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now - 4 * 3600)
    await client.post(f"{PATH}/refresh", client.issuer.access())
    response = await client.get(PATH, client.issuer.access())
    assert response.json["freshness"]["jobId"] == JOB
    assert len(client.bus.sent) == 1


async def test_a_stale_report_is_served_while_the_bus_is_down(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now - 4 * 3600)
    client.bus.down = True
    response = await client.get(PATH, client.issuer.access())
    assert response.status == 200
    assert response.json["freshness"]["state"] == "stale"
    assert "jobId" not in response.json["freshness"]


# No report yet


async def test_a_token_without_a_report_is_queued(client: GatewayClient) -> None:
    response = await client.get(PATH, client.issuer.access())
    assert response.status == 202
    assert response.json["status_code"] == 202
    assert response.json["detail"] == (
        f"Token {TOKEN} on chain ethereum was queued for cluster analysis."
    )
    assert response.headers["Location"] == f"/v1/jobs/{JOB}"
    assert response.headers["Retry-After"]
    assert response.json["job"] == {"id": JOB, "state": "queued", "deduplicated": False}
    again = await client.get(PATH, client.issuer.access("bob"))
    assert again.json["job"]["deduplicated"] is True
    assert len(client.bus.sent) == 1


async def test_a_request_that_cannot_be_queued_responds_503(client: GatewayClient) -> None:
    client.bus.down = True
    response = await client.get(PATH, client.issuer.access())
    assert (response.status, response.json["code"]) == (503, "bus_unavailable")
    assert response.headers["Retry-After"]


async def test_a_chain_without_an_endpoint_responds_501(client: GatewayClient) -> None:
    response = await client.get(f"/v1/tokens/cluster/base/{TOKEN}", client.issuer.access())
    assert (response.status, response.json["code"]) == (501, "unsupported_chain")


@pytest.mark.parametrize(("code", "status"), [("no_contract", 404), ("not_erc20", 422)])
async def test_an_address_without_a_token_is_reported(
    code: str, status: int, client: GatewayClient
) -> None:
    await client.get(PATH, client.issuer.access())
    failed = {"chainId": 1, "tokenAddress": TOKEN, "run": 1, "code": code, "detail": "it is not"}
    await client.bus.compute(FailAnalysis.model_validate(failed))
    for response in (
        await client.get(PATH, client.issuer.access()),
        await client.post(f"{PATH}/refresh", client.issuer.access()),
    ):
        assert (response.status, response.json["code"]) == (status, code)
        assert response.json["detail"] == "it is not"


async def test_a_temporary_failure_is_retried(client: GatewayClient) -> None:
    await client.get(PATH, client.issuer.access())
    failed = {
        "chainId": 1, "tokenAddress": TOKEN, "run": 1, "code": "provider_unavailable",
        "detail": "gone",
    }  # fmt: skip
    await client.bus.compute(FailAnalysis.model_validate(failed))
    assert (await client.get(PATH, client.issuer.access())).status == 202
    assert len(client.bus.sent) == 2


async def test_a_request_that_waits_gets_the_report(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    waiting = asyncio.create_task(
        client.get(PATH, client.issuer.access(), headers={"Prefer": "wait=10"})
    )
    await eventually(lambda: client.gateway.dependencies.read_models.document(ANALYSIS_JOBS, JOB))
    await store_report(gateways, now)
    await client.bus.compute(complete())
    response = await asyncio.wait_for(waiting, 10)
    assert (response.status, response.json["computedAt"]) == (200, now)


@pytest.mark.parametrize("path", [*VIEWS, f"{PATH}/map"])
async def test_a_request_that_waits_gets_what_it_asked_for(
    path: str, client: GatewayClient, gateways: Gateways, now: int
) -> None:
    waiting = asyncio.create_task(
        client.get(path, client.issuer.access(), headers={"Prefer": "wait=10"})
    )
    await eventually(lambda: client.gateway.dependencies.read_models.document(ANALYSIS_JOBS, JOB))
    await store_report(gateways, now)
    await client.bus.compute(complete())
    response = await asyncio.wait_for(waiting, 10)
    later = await client.get(path, client.issuer.access())
    assert (response.status, response.body) == (200, later.body)
    assert response.headers.get("ETag") == later.headers.get("ETag")


def start() -> StartAnalysis:
    return StartAnalysis(
        chain_id=1, token_address=TOKEN, run=1, from_block=1, block=9, block_hash=BLOCK,
        block_timestamp=1, finalized=True,
    )  # fmt: skip


def complete() -> CompleteAnalysis:
    return CompleteAnalysis(
        chain_id=1, token_address=TOKEN, run=1, num_clusters=1, largest_share=0.2
    )


# Refresh


async def test_a_second_refresh_joins_the_job_of_the_first(client: GatewayClient) -> None:
    first = await client.post(f"{PATH}/refresh", client.issuer.access())
    second = await client.post(f"{PATH}/refresh", client.issuer.access("bob"))
    assert [first.status, second.status] == [202, 202]
    assert first.headers["Location"] == f"/v1/jobs/{JOB}"
    assert [first.json["job"]["deduplicated"], second.json["job"]["deduplicated"]] == [False, True]


async def test_a_refresh_within_a_minute_is_rejected(client: GatewayClient) -> None:
    await client.post(f"{PATH}/refresh", client.issuer.access())
    await client.bus.compute(complete())
    response = await client.post(f"{PATH}/refresh", client.issuer.access("bob"))
    assert (response.status, response.json["code"]) == (409, "too_fresh")


# Jobs


async def test_a_job_reports_its_progress(client: GatewayClient) -> None:
    await client.get(PATH, client.issuer.access())
    queued = await client.get(f"/v1/jobs/{JOB}", client.issuer.access())
    assert (queued.status, queued.json["state"]) == (200, "queued")
    await client.bus.compute(start())
    syncing = await client.get(f"/v1/jobs/{JOB}", client.issuer.access())
    assert syncing.json["state"] == "syncing"
    assert syncing.json["progress"] == {"fromBlock": 1, "toBlock": 0, "head": 9, "transfers": 0}
    same = await client.get(
        f"/v1/jobs/{JOB}",
        client.issuer.access(),
        headers={"If-None-Match": syncing.headers["ETag"]},
    )
    assert same.status == 304


@pytest.mark.parametrize("job", ["analysis-1-0xzz", "member-alice", "analysis-1-0x" + "ef" * 20])
async def test_an_unknown_job_responds_404(job: str, client: GatewayClient) -> None:
    for path in (f"/v1/jobs/{job}", f"/v1/jobs/{job}/events"):
        response = await client.get(path, client.issuer.access())
        assert (response.status, response.json["code"]) == (404, "no_such_job")


async def test_a_long_poll_ends_with_the_job(client: GatewayClient) -> None:
    await client.get(PATH, client.issuer.access())
    waiting = asyncio.create_task(
        client.get(f"/v1/jobs/{JOB}", client.issuer.access(), headers={"Prefer": "wait=10"})
    )

    async def watched() -> bool:
        return client.gateway.dependencies.changes.watched > 0

    await eventually(watched)
    await client.bus.compute(start())
    assert not waiting.done()
    await client.bus.compute(complete())
    response = await asyncio.wait_for(waiting, 10)
    assert (response.json["state"], response.headers["Preference-Applied"]) == ("done", "wait=10")
    assert response.json["result"] == f"/v1/tokens/cluster/1/{TOKEN}"


async def test_a_long_poll_without_an_end_returns_the_current_state(client: GatewayClient) -> None:
    await client.get(PATH, client.issuer.access())
    response = await client.get(
        f"/v1/jobs/{JOB}", client.issuer.access(), headers={"Prefer": "wait=1"}
    )
    assert response.json["state"] == "queued"


async def test_events_follow_a_job_to_its_end(client: GatewayClient) -> None:
    await client.get(PATH, client.issuer.access())
    url = f"{client.url}/v1/jobs/{JOB}/events"
    seen = []
    async with client.session.get(url, headers=bearer(client)) as response:
        async for event in read_events(response):
            state = orjson.loads(event["data"])["state"]
            seen.append((event["event"], event["id"].partition("-")[2], state))
            if len(seen) == 1:
                await client.bus.compute(start())
            elif len(seen) == 2:
                await client.bus.compute(complete())
    states = [("job", "job.1", "queued"), ("job", "job.2", "syncing"), ("job", "job.3", "done")]
    assert seen == states
    back = bearer(client) | {"Last-Event-ID": "3"}
    async with client.session.get(url, headers=back) as response:
        assert response.status == 204  # on which browsers stop reconnecting
    missed = bearer(client) | {"Last-Event-ID": "2"}
    async with client.session.get(url, headers=missed) as response:
        assert [event["id"][-6:] async for event in read_events(response)] == ["-job.3"]


# Views


async def test_pages_of_holders_come_from_one_report(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now - 100)
    first = await client.get(f"{PATH}/holders?limit=2", client.issuer.access())
    assert [row["rank"] for row in first.json["items"]] == [1, 2]
    await store_report(gateways, now)
    await client.gateway.dependencies.reports.reports.rao.forget(REPORT_KEY)
    path = f"{PATH}/holders?limit=3&cursor={first.json['next']}"
    second = await client.get(path, client.issuer.access())
    assert second.json["computedAt"] == now - 100
    assert [row["rank"] for row in second.json["items"]] == [3, 4, 5]
    assert second.json["next"] is None


async def test_a_cursor_of_an_unknown_report_is_rejected(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now)
    response = await client.get(f"{PATH}/holders?cursor=17-2", client.issuer.access())
    assert response.status == 400
    assert "cursor" in response.json["detail"]


async def test_the_graph_is_that_of_the_newest_report(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now)
    response = await client.get(f"{PATH}/graph", client.issuer.access())
    assert response.json == {"computedAt": now, "nodes": [], "edges": [], "transfers": []}


@pytest.mark.parametrize("view", ["holders", "graph"])
async def test_views_of_a_token_without_a_report_are_queued(
    view: str, client: GatewayClient
) -> None:
    response = await client.get(f"{PATH}/{view}", client.issuer.access())
    assert (response.status, response.json["job"]["id"]) == (202, JOB)


async def test_history_is_listed_newest_first(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    for at in (now - 300, now - 200, now - 100):
        await store_report(gateways, at)
    first = await client.get(f"{PATH}/history?limit=2", client.issuer.access())
    assert [row["computedAt"] for row in first.json["items"]] == [now - 100, now - 200]
    rest = await client.get(
        f"{PATH}/history?limit=2&cursor={first.json['next']}", client.issuer.access()
    )
    assert [row["computedAt"] for row in rest.json["items"]] == [now - 300]
    assert rest.json["next"] is None
    other = await client.get(f"/v1/tokens/cluster/base/{TOKEN}/history", client.issuer.access())
    assert (other.status, other.json["code"]) == (404, "no_report")


async def test_a_difference_lists_the_changes_between_two_reports(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now - 300)
    await store_report(gateways, now - 100, members=("0xA", "0xB", "0xC"), share=0.5)
    path = f"{PATH}/diff?from={now - 300}&to={now}"
    response = await client.get(path, client.issuer.access())
    (change,) = response.json["changes"]
    assert (change["change"], change["joined"]) == ("grown", ["0xC"])
    assert (change["shareBefore"], change["shareAfter"]) == (0.2, 0.5)
    await RAO(reports_cache("diff"), client=client.redis).forget(
        f"{REPORT_KEY}/{now - 300}@{now - 100}"
    )
    assert (await client.get(path, client.issuer.access())).body == response.body


async def test_a_difference_needs_two_moments_in_order(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now - 300)
    await store_report(gateways, now - 100)
    turned = await client.get(f"{PATH}/diff?from={now}&to={now - 200}", client.issuer.access())
    assert turned.status == 400
    early = await client.get(f"{PATH}/diff?from={now - 400}&to={now}", client.issuer.access())
    assert (early.status, early.json["code"]) == (404, "no_report")
    one = await client.get(f"{PATH}/diff?from={now}", client.issuer.access())
    assert (one.status, one.json["errors"][0]["field"]) == (422, "to")


# Past parts of reports


async def test_past_graphs_and_holders_can_be_requested(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    for at in (now - 500, now - 50):
        await store_report(gateways, at)
    for view in VIEWS:
        newest = await client.get(view, client.issuer.access())
        past = await client.get(f"{view}?at={now - 51}", client.issuer.access())
        assert (newest.json["computedAt"], past.json["computedAt"]) == (now - 50, now - 500)
        early = await client.get(f"{view}?at={now - 501}", client.issuer.access())
        assert (early.status, early.json["code"]) == (404, "no_report")
        wrong = await client.get(f"{view}?at=yesterday", client.issuer.access())
        assert (wrong.status, wrong.json["errors"][0]["field"]) == (422, "at")


async def test_pages_of_past_holders_come_from_the_past_report(
    client: GatewayClient, gateways: Gateways, now: int
) -> None:
    for at in (now - 500, now - 50):
        await store_report(gateways, at)
    path = f"{PATH}/holders?at={now - 51}&limit=2"
    first = await client.get(path, client.issuer.access())
    second = await client.get(f"{path}&cursor={first.json['next']}", client.issuer.access())
    assert [page.json["computedAt"] for page in (first, second)] == [now - 500] * 2
    assert [row["rank"] for row in second.json["items"]] == [3, 4]


# Views of a token


@pytest.mark.parametrize("view", PARTS)
async def test_parts_of_a_report_are_served_as_stored(
    view: str, client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now)
    path = f"/v1/tokens/{view}/ethereum/{TOKEN}"
    response = await client.get(path, client.issuer.access())
    assert (response.status, response.body) == (200, parts(now)[view])
    etag = {"If-None-Match": response.headers["ETag"]}
    again = await client.get(path, client.issuer.access(), headers=etag)
    assert (again.status, again.body) == (304, b"")
    head = await client.call("HEAD", path, client.issuer.access())
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", response.headers["ETag"])
    assert client.bus.sent == []


@pytest.mark.parametrize("view", PARTS)
async def test_a_report_of_an_earlier_version_lacks_some_parts(
    view: str, client: GatewayClient, gateways: Gateways, now: int
) -> None:
    await store_report(gateways, now, without=PARTS)
    path = f"/v1/tokens/{view}/ethereum/{TOKEN}"
    for query in ("", f"?at={now}"):
        response = await client.get(path + query, client.issuer.access())
        assert (response.status, response.json["code"]) == (404, f"no_{view}")
        assert "Request a new analysis" in response.json["detail"]


@pytest.mark.parametrize("view", PARTS)
async def test_parts_of_a_token_without_a_report_are_queued(
    view: str, client: GatewayClient
) -> None:
    path = f"/v1/tokens/{view}/ethereum/{TOKEN}"
    looked = await client.call("HEAD", path, client.issuer.access())
    assert (looked.status, client.bus.sent) == (202, [])
    response = await client.get(path, client.issuer.access())
    assert (response.status, response.json["job"]["id"]) == (202, JOB)
    past = await client.get(f"{path}?at=17", client.issuer.access())
    assert (past.status, past.json["code"]) == (404, "no_report")


@pytest.mark.parametrize("view", ["audit", "simulations"])
async def test_resources_that_are_not_offered_do_not_exist(
    view: str, client: GatewayClient
) -> None:
    for path in (f"/v1/tokens/{view}/ethereum/{TOKEN}", f"/v1/chart/ethereum/{TOKEN}"):
        assert (await client.get(path, client.issuer.access())).status == 404


# Chains


async def test_chains_are_listed_in_every_spelling(client: GatewayClient) -> None:
    response = await client.get("/v1/chains")
    base = {"name": "base", "chainId": 8453, "caip2": "eip155:8453", "available": False}
    assert base | {"explorer": "https://basescan.org"} in response.json["items"]


async def test_chains_with_an_endpoint_are_available(
    client: GatewayClient, gateways: Gateways
) -> None:
    await ChainAnnouncement(VersionedStore(gateways.reports), [8453, 1]).announce()
    response = await client.get("/v1/chains")
    assert {each["name"] for each in response.json["items"] if each["available"]} == {
        "ethereum", "base",
    }  # fmt: skip
    await ChainAnnouncement(VersionedStore(gateways.reports), [1]).announce()
    await RAO(reports_cache(CHAINS), client=client.redis).forget(CHAINS)
    response = await client.get("/v1/chains")
    assert [each["name"] for each in response.json["items"] if each["available"]] == ["ethereum"]
