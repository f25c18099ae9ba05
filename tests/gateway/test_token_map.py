"""The map of a token: all that a picture of a report shows, now or at a past moment."""

import time

import orjson
import pytest

from contracts.cluster_report import (
    BlockTime,
    ClusterGraph,
    GraphNode,
    Holder,
    HolderTransfers,
)
from contracts.compute import report_key
from contracts.token_map import TokenMap
from gateway.api.token_map import map_of
from readthrough import VersionedStore
from tests.gateway.conftest import GatewayClient, Gateways
from tests.support.reports import report, summary

TOKEN = "0x" + "ab" * 20
REPORT_KEY = report_key(1, TOKEN)
PATH = f"/v1/tokens/cluster/ethereum/{TOKEN}/map"


def holders(*addresses: str) -> bytes:
    rows = [
        Holder(address=address, rank=rank, amount=str(1000 - rank), share=0.1, kind="eoa")
        for rank, address in enumerate(addresses, start=1)
    ]
    return b"[%b]" % b",".join(row.model_dump_json().encode() for row in rows)


def graph(*pairs: tuple[str, str], between: tuple[str, ...] = ()) -> bytes:
    seen = BlockTime(block=5, timestamp=60)
    nodes = tuple(
        GraphNode(id=each, cluster_id="c_1", share=0, kind="eoa", intermediary=True)
        for each in between
    )
    transfers = tuple(
        HolderTransfers(source=a, target=b, amount="7", count=2, first=seen, last=seen)
        for a, b in pairs
    )
    made = ClusterGraph(computed_at=1, nodes=nodes, edges=(), transfers=transfers)
    return made.model_dump_json().encode()


def made(holding: bytes, drawn: bytes, top: int = 500) -> TokenMap:
    body = report(100).model_dump_json().encode()
    return TokenMap.model_validate_json(map_of(body, holding, drawn, top))


def test_members_holders_and_intermediaries_are_nodes() -> None:
    shown = made(holders("0xP", "0xA", "0xQ"), graph(between=("0xM",)))
    nodes = {node.address: node for node in shown.nodes}
    assert list(nodes) == ["0xA", "0xB", "0xP", "0xQ", "0xM"]
    assert (nodes["0xA"].cluster_id, nodes["0xA"].rank, nodes["0xA"].amount) == ("c_1", 2, "10")
    assert (nodes["0xB"].cluster_id, nodes["0xB"].rank) == ("c_1", None)
    assert (nodes["0xP"].cluster_id, nodes["0xP"].amount) == (None, "999")
    assert (nodes["0xM"].intermediary, nodes["0xM"].amount) == (True, "0")


def test_only_the_largest_holders_are_shown_next_to_members() -> None:
    shown = made(holders("0xP", "0xQ", "0xR", "0xA"), graph(), top=2)
    assert [node.address for node in shown.nodes] == ["0xA", "0xB", "0xP", "0xQ"]
    assert shown.listed_holders == 4
    assert {node.address: node.rank for node in shown.nodes}["0xA"] == 4


def test_evidence_says_why_and_where() -> None:
    (cluster,) = made(holders("0xA"), graph()).clusters
    (link,) = cluster.evidence
    assert (link.why, link.block, link.tx_hash[:4]) == ("first", 1, "0xcd")


def test_transfers_are_those_between_shown_nodes() -> None:
    shown = made(holders("0xP", "0xQ"), graph(("0xA", "0xP"), ("0xP", "0xQ")), top=1)
    assert [(each.source, each.target) for each in shown.transfers] == [("0xA", "0xP")]


def test_what_is_unknown_is_left_out() -> None:
    body = map_of(report(100).model_dump_json().encode(), holders("0xP"), graph(), 500)
    assert orjson.loads(body)["nodes"][2] == {
        "address": "0xP", "amount": "999", "kind": "eoa", "rank": 1,
    }  # fmt: skip


# Over HTTP


@pytest.fixture
async def client(gateways: Gateways) -> GatewayClient:
    return await gateways.open()


async def store(gateways: Gateways, at: int, *members: str) -> None:
    bodies = {
        "report": report(at, *members).model_dump_json().encode(),
        "holders": holders("0xP", "0xQ"),
        "graph": graph(),
    }
    await VersionedStore(gateways.reports).put(REPORT_KEY, at, summary(at), bodies)


async def test_the_map_is_that_of_the_newest_report_or_of_a_past_one(
    client: GatewayClient, gateways: Gateways
) -> None:
    now = int(time.time())
    await store(gateways, now - 500, "0xA", "0xB")
    await store(gateways, now - 50, "0xA", "0xB", "0xC")
    newest = await client.get(PATH, client.issuer.access())
    past = await client.get(f"{PATH}?at={now - 51}", client.issuer.access())
    assert (newest.json["computedAt"], past.json["computedAt"]) == (now - 50, now - 500)
    assert (len(newest.json["nodes"]), len(past.json["nodes"])) == (5, 4)
    TokenMap.model_validate_json(newest.body)
    early = await client.get(f"{PATH}?at={now - 501}", client.issuer.access())
    assert (early.status, early.json["code"]) == (404, "no_report")


async def test_an_unchanged_map_is_not_sent_again(
    client: GatewayClient, gateways: Gateways
) -> None:
    await store(gateways, int(time.time()) - 50)
    first = await client.get(PATH, client.issuer.access())
    again = await client.get(
        PATH, client.issuer.access(), headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (again.status, again.body) == (304, b"")


async def test_a_token_without_a_report_is_queued(client: GatewayClient) -> None:
    response = await client.get(PATH, client.issuer.access())
    assert (response.status, response.json["code"]) == (202, "queued")


async def test_the_number_of_holders_is_one_of_four(client: GatewayClient) -> None:
    response = await client.get(f"{PATH}?top=7", client.issuer.access())
    assert (response.status, response.json["errors"][0]["field"]) == (422, "top")
