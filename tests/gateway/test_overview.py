"""One request returns what a first screen shows; each part is what its own request returns."""

import asyncio
from typing import Any

import pytest

from chassis.views.keys import control_key
from gateway.api import own_ranks
from tests.gateway.conftest import GatewayClient
from tests.gateway.environment import ALICE
from tests.gateway.test_agreement import lagging, watched
from tests.gateway.test_referrals import BOB, account, client, refer
from tests.support.eventually import eventually

__all__ = ["client"]
OVERVIEW = "/v1/me/overview"
PARTS = {
    "account": "/v1/me",
    "codes": "/v1/referral/codes",
    "invitations": "/v1/invites",
    "stats": "/v1/referral/stats?window=7d",
    "ledger": "/v1/points/ledger",
    "leaderboard": "/v1/leaderboard?around=me",
}
TIMES = {"asOf", "timestamp", "timestampMin", "timestampMax"}
"""Members that depend on when a response is made."""


@pytest.fixture
async def played(client: GatewayClient) -> GatewayClient:
    """Alice has invited one person by mail, and referred Bob."""
    code = await account(client)
    await account(client, BOB)

    async def invited() -> bool:
        body = {"email": "carol@example.org"}
        return (await client.post("/v1/invites", client.issuer.access(), json=body)).status == 202

    await eventually(invited)
    await refer(client, code)
    await client.bus.settle()  # the mail is sent, and Bob is credited
    return client


def timeless(value: Any) -> Any:
    match value:
        case dict():
            return {key: timeless(each) for key, each in value.items() if key not in TIMES}
        case list():
            return [timeless(each) for each in value]
        case _:
            return value


async def test_each_part_is_what_its_own_request_returns(played: GatewayClient) -> None:
    for member in (ALICE, BOB):
        token = played.issuer.access(member)
        overview = await played.get(OVERVIEW, token)
        assert overview.json.pop("unavailable") == []
        position = overview.json.pop("position")
        assert position == overview.headers["X-Position"]
        parts = {name: (await played.get(path, token)).json for name, path in PARTS.items()}
        assert timeless(overview.json) == timeless(parts)
        own = (parts["stats"]["meta"], parts["ledger"], parts["leaderboard"])
        assert {part["position"] for part in own} == {position}


async def test_a_long_ledger_begins_with_its_newest_entries(
    played: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.api.explanations.LEDGER_PAGE", 1)
    monkeypatch.setattr("gateway.api.points.LEDGER_PAGE", 1)
    code = (await played.get("/v1/me", played.issuer.access())).json["referralCode"]
    for sub in ("x0001", "x0002"):
        await account(played, sub)
        await refer(played, code, sub)
    ledger = (await played.get(PARTS["ledger"], played.issuer.access())).json
    assert len(ledger["items"]) == 1
    assert ledger["next"] is not None
    assert (await played.get(OVERVIEW, played.issuer.access())).json["ledger"] == ledger


async def test_an_overview_counts_as_one_request(played: GatewayClient) -> None:
    token = played.issuer.access()
    first = await played.get(OVERVIEW, token)
    second = await played.get(OVERVIEW, token)
    left = [
        int(reply.headers["RateLimit"].split("r=")[1].split(";")[0]) for reply in (first, second)
    ]
    assert left[0] - left[1] <= 1


async def test_a_copy_is_current_until_something_changes(played: GatewayClient) -> None:
    token = played.issuer.access()
    overview = await played.get(OVERVIEW, token)
    headers = {"If-None-Match": overview.headers["ETag"]}
    assert (await played.get(OVERVIEW, token, headers=headers)).status == 304
    await played.post("/v1/referral/codes", token, json={})
    changed = await played.get(OVERVIEW, token, headers=headers)
    assert changed.status == 200
    assert len(changed.json["codes"]["items"]) == 2


async def test_an_overview_waits_for_the_callers_last_write(client: GatewayClient) -> None:
    code = await account(client)
    await account(client, BOB)
    async with lagging(client, "ledger"):
        await refer(client, code)
        stream = f"member-{ALICE}"
        head = await client.bus.stores["referrals"].head(stream)
        headers = {"X-Min-Position": f"{stream}@{head.version}"}
        reading = asyncio.create_task(client.get(OVERVIEW, client.issuer.access(), headers=headers))
        await eventually(lambda: watched(client))
    overview = await reading
    assert overview.headers["X-Position"] == headers["X-Min-Position"]
    assert overview.json["stats"]["points"] == overview.json["leaderboard"]["me"]["points"] == 100


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("member-codes", ["codes"]),
        ("leaderboard", ["stats", "ledger", "leaderboard"]),
        ("ledger", ["stats", "ledger", "leaderboard"]),
        ("closes", ["stats"]),
    ],
)
async def test_a_part_that_is_being_rebuilt_is_named(
    played: GatewayClient, name: str, parts: list[str]
) -> None:
    token = played.issuer.access()
    await played.redis.hdel(control_key("referrals"), name)
    async for key in played.redis.scan_iter(match=f"referrals:{{{name}:*"):
        await played.redis.delete(key)
    overview = await played.get(OVERVIEW, token)
    assert overview.status == 200
    missing = [(each["part"], each["code"]) for each in overview.json["unavailable"]]
    assert missing == [(part, "read_model_rebuilding") for part in parts]
    for part in PARTS:
        assert (overview.json[part] is None) == (part in parts)


async def test_a_leaderboard_that_lags_is_named(
    played: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_ranks, "AGREE_SECONDS", 0.01)
    async with lagging(played, "leaderboard"):
        await played.post("/v1/referral/codes", played.issuer.access(), json={})
        overview = (await played.get(OVERVIEW, played.issuer.access())).json
    assert [each["part"] for each in overview["unavailable"]] == ["leaderboard"]
    assert (overview["stats"]["points"], overview["stats"]["rank"]) == (100, None)
    assert overview["ledger"]["points"] == 100


async def test_a_person_without_an_account_has_no_overview(client: GatewayClient) -> None:
    reply = await client.get(OVERVIEW, client.issuer.access())
    assert (reply.status, reply.json["code"]) == (404, "no_account")
