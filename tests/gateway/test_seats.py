"""Accepting an invitation reports what became of the seat, to both people concerned."""

import asyncio
from typing import Any

import pytest

from tests.gateway.conftest import GatewayClient, Gateways, Reply
from tests.gateway.environment import ALICE
from tests.support.eventually import eventually

BOB = "b0b00000-0000-4000-8000-000000000b0b"
COMMANDS = "test-referrals-commands.fifo"
ACCEPT, LOOKUP = "/v1/invites/accept", "/v1/invites/lookup"


@pytest.fixture
async def client(gateways: Gateways) -> GatewayClient:
    """A gateway; Alice has an account."""
    client = await gateways.open()
    opened = await client.post("/v1/me", client.issuer.id(ALICE, email="alice@example.com"))
    assert opened.status == 201
    return client


async def invited(client: GatewayClient, email: str = "bob@example.org") -> tuple[str, str]:
    """Invite a person; return the id of the invitation and the token in its mail."""
    before = len(client.bus.inbox.mails)
    sent = await client.post("/v1/invites", client.issuer.access(), json={"email": email})
    assert sent.status == 202, sent.body

    async def mailed() -> bool:
        return len(client.bus.inbox.mails) == before + 1

    await eventually(mailed)
    invite_id, token = sent.json["invite"], client.bus.inbox.token()

    async def known() -> bool:
        return (await client.post(LOOKUP, json={"token": token})).status == 200

    await eventually(known)
    return invite_id, token


async def accept(client: GatewayClient, token: str, **headers: str) -> Reply:
    return await client.post(ACCEPT, json={"token": token}, headers=headers)


async def confirm(client: GatewayClient, use_id: str, email: str, **body: str) -> Reply:
    path = f"/v1/referral/uses/{use_id}/confirm"
    return await client.post(path, client.issuer.id(BOB, email=email), json=body)


async def revoke_codes(client: GatewayClient) -> None:
    token = client.issuer.access()
    for code in (await client.get("/v1/referral/codes", token)).json["items"]:
        await client.call("DELETE", f"/v1/referral/codes/{code['code']}", token)


async def test_the_seat_exists_once_the_invitation_is_accepted(client: GatewayClient) -> None:
    invite_id, token = await invited(client)
    accepted = await accept(client, token)
    assert accepted.status == 200
    assert accepted.json["invited"] == "b***@e***.org"
    use_id = accepted.json["useId"]
    assert (await confirm(client, use_id, "bob@example.org")).json == {"state": "confirmed"}
    own = await client.get(f"/v1/invites/{invite_id}", client.issuer.access())
    assert (own.json["state"], own.json["seat"]) == ("accepted", "reserved")


async def test_accepting_waits_for_the_seat(client: GatewayClient) -> None:
    _, token = await invited(client)
    client.bus.memory.held_queues.add(COMMANDS)
    waiting = asyncio.create_task(accept(client, token, Prefer="wait=20"))
    changes = client.gateway.dependencies.changes

    async def is_waiting() -> bool:
        return changes.watched > 0

    await eventually(is_waiting)
    client.bus.release()
    assert (await waiting).json["useId"]


async def test_a_seat_that_is_not_known_in_time_is_found_by_a_repetition(
    client: GatewayClient,
) -> None:
    _, token = await invited(client)
    client.bus.memory.held_queues.add(COMMANDS)
    key = {"Idempotency-Key": "accept"}
    early = await accept(client, token, Prefer="wait=1", **key)
    assert (early.status, early.headers["Location"]) == (202, ACCEPT)
    client.bus.release()
    final = await accept(client, token, Prefer="wait=20", **key)
    assert final.status == 200
    assert final.json["useId"]
    assert (await accept(client, token, **key)).body == final.body


async def test_a_refused_seat_is_reported_to_both_and_the_person_can_be_invited_again(
    client: GatewayClient,
) -> None:
    invite_id, token = await invited(client)
    await revoke_codes(client)
    for _ in range(2):
        refused = await accept(client, token)
        assert (refused.status, refused.json["code"]) == (409, "no_seat")
    own = (await client.get(f"/v1/invites/{invite_id}", client.issuer.access())).json
    assert (own["state"], own["seat"]) == ("accepted", "refused")
    assert own["timeline"][-1]["what"] == "no_seat"
    await client.post("/v1/referral/codes", client.issuer.access(), json={})

    async def invited_again() -> tuple[str, str] | None:
        streams: Any = client.bus.stores["invites"]
        history = await streams.load(f"inviter-{ALICE}")
        if history.events[-1].type != "InviteeReleased":
            return None
        return await invited(client)

    again = await eventually(invited_again)
    assert again is not None
    assert again[0] != invite_id
    accepted = await accept(client, again[1])
    assert (await confirm(client, accepted.json["useId"], "bob@example.org")).status == 200


async def test_only_a_holder_of_the_token_learns_which_address_was_invited(
    client: GatewayClient,
) -> None:
    _, token = await invited(client)
    _, carols = await invited(client, "carol@example.org")
    looked = await client.post(LOOKUP, json={"token": token})
    assert looked.json["invited"] == "b***@e***.org"
    use_id = (await accept(client, token)).json["useId"]
    other = await confirm(client, use_id, "robert@example.net", invitationToken=token)
    assert (other.status, other.json["code"]) == (409, "other_address_invited")
    assert "b***@e***.org" in other.json["detail"]
    for body in ({}, {"invitationToken": carols}, {"invitationToken": "A" * 43}):
        hidden = await confirm(client, use_id, "robert@example.net", **body)
        assert (hidden.status, hidden.json["code"]) == (404, "not_found")
        assert "***" not in hidden.json["detail"]
    own = await confirm(client, use_id, "bob@example.org", invitationToken=token)
    assert own.json == {"state": "confirmed"}
