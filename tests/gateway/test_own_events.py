"""Follow invitations, points and rank, next to the account."""

import asyncio
import json
from typing import Any, Final

import pytest

from gateway.api import own_events
from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.environment import ALICE
from tests.gateway.test_event_streams import read_events
from tests.support.eventually import eventually

ALL: Final = "/v1/me/events?topics=account,invitations,points,rank"
BOB: Final = "5e1f0c2a-0000-4000-8000-000000000b0b"


@pytest.fixture
async def client(gateways: Gateways, monkeypatch: pytest.MonkeyPatch) -> GatewayClient:
    """A gateway at which Alice has an account and may invite."""
    monkeypatch.setattr(own_events, "LOOK_SECONDS", 0.1)
    client = await gateways.open()
    await client.post("/v1/me", client.issuer.id(ALICE, email="alice@example.com"))

    async def registered() -> bool:
        return f"inviter-{ALICE}" in client.bus.stores["invites"].streams

    await eventually(registered)
    return client


class Following:
    """Read the events of one stream."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.events = read_events(response)
        self.last_id = ""

    async def next(self) -> tuple[str, Any]:
        event = await asyncio.wait_for(anext(self.events), 10)
        self.last_id = event["id"]
        return event["event"], json.loads(event["data"])

    async def until(self, name: str, wanted: Any) -> Any:
        """Return the first event of this name for which `wanted` is true."""
        while True:
            event, data = await self.next()
            if event == name and wanted(data):
                return data


async def follow(client: GatewayClient, path: str = ALL, last_event_id: str = "") -> Following:
    headers = {"Authorization": f"Bearer {client.issuer.access()}", "Last-Event-ID": last_event_id}
    return Following(await client.session.get(client.url + path, headers=headers))


async def refer_bob(client: GatewayClient) -> None:
    code = (await client.get("/v1/me", client.issuer.access())).json["referralCode"]
    bob = client.issuer.id(BOB, email="bob@example.com")
    body = {"referralCode": code, "user": "bob@example.com"}
    use = (await client.post("/v1/referral/uses", json=body)).json["useId"]
    await client.post("/v1/me", bob)
    confirmed = await client.post(f"/v1/referral/uses/{use}/confirm", bob, json={})
    assert confirmed.status == 200


async def test_all_topics_are_sent_at_once_in_a_fixed_order(client: GatewayClient) -> None:
    following = await follow(client, "/v1/me/events?topics=rank,points,invitations,account,rank")
    events = dict([await following.next() for _ in range(4)])
    assert list(events) == ["account", "invitations", "points", "rank"]
    assert events["account"] == (await client.get("/v1/me", client.issuer.access())).json
    assert events["invitations"] == (await client.get("/v1/invites", client.issuer.access())).json
    stats = (await client.get("/v1/referral/stats", client.issuer.access())).json
    assert events["points"] == {
        "points": 0,
        "pending": 0,
        "invited": 0,
        "rank": 1,
        "total": 1,
        "position": stats["meta"]["position"],
        "boardPosition": stats["meta"]["boardPosition"],
    }
    assert events["rank"] == events["points"]
    following.response.close()


async def test_an_invitation_is_followed_from_request_to_acceptance(client: GatewayClient) -> None:
    following = await follow(client)
    sent = await client.post(
        "/v1/invites", client.issuer.access(), json={"email": "bob@example.org"}
    )
    invite_id = sent.json["invite"]

    def in_state(state: str) -> Any:
        return lambda page: (
            [(i["inviteId"], i["state"]) for i in page["items"]] == [(invite_id, state)]
        )

    page = await following.until("invitations", in_state("sent"))
    assert page == (await client.get("/v1/invites", client.issuer.access())).json
    accepted = await client.post("/v1/invites/accept", json={"token": client.bus.inbox.token()})
    assert accepted.status == 200
    await following.until("invitations", in_state("accepted"))
    following.response.close()


async def test_points_and_rank_are_sent_when_a_referral_is_confirmed(client: GatewayClient) -> None:
    following = await follow(client, "/v1/me/events?topics=points,rank")
    await refer_bob(client)
    earned = await following.until("points", lambda points: points["points"] > 0)
    assert earned["invited"] == 1
    follower = await follow(client, "/v1/me/events?topics=rank")
    assert (await follower.until("rank", lambda rank: rank["rank"] is not None))["rank"] == 1
    for each in (following, follower):
        each.response.close()


async def test_each_topic_resumes_at_its_own_position(client: GatewayClient) -> None:
    following = await follow(client)
    for _ in range(4):
        await following.next()
    following.response.close()
    await refer_bob(client)
    resumed = await follow(client, last_event_id=following.last_id)
    names = {(await resumed.next())[0] for _ in range(2)}
    resumed.response.close()
    assert "invitations" not in names
    assert names <= {"account", "points", "rank"}


async def test_a_topic_that_is_added_is_sent_from_its_beginning(client: GatewayClient) -> None:
    following = await follow(client, "/v1/me/events")
    assert (await following.next())[0] == "account"
    following.response.close()
    more = await follow(client, "/v1/me/events?topics=account,points", following.last_id)
    assert (await more.next())[0] == "points"
    assert "account." in more.last_id
    more.response.close()


@pytest.mark.parametrize("topics", ["", "mail", "account,,points", "Account", "a" * 101])
async def test_an_unknown_topic_is_rejected(topics: str, client: GatewayClient) -> None:
    reply = await client.get(f"/v1/me/events?topics={topics}", client.issuer.access())
    assert (reply.status, reply.json["errors"][0]["field"]) == (422, "topics")
