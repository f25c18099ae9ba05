"""Explanations of points, and the links between invitations, uses and points."""

from typing import Any

from tests.gateway.conftest import GatewayClient
from tests.gateway.environment import ALICE
from tests.gateway.test_referrals import BOB, USES, account, address, admin, client, refer
from tests.support.eventually import eventually

__all__ = ["client"]
INVITES, LEDGER = "/v1/invites", "/v1/points/ledger"


async def ledger(client: GatewayClient, sub: str = ALICE) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(LEDGER, client.issuer.access(sub))).json[
        "items"
    ]
    return items


async def invite(client: GatewayClient, email: str) -> str:
    """Invite a person, who accepts; return the invitation's id once the seat is reserved."""

    async def sent() -> str | None:
        reply = await client.post(INVITES, client.issuer.access(), json={"email": email})
        return reply.json.get("invite") if reply.status == 202 else None

    invite_id = await eventually(sent)
    assert invite_id is not None

    await client.bus.settle()
    assert client.bus.inbox.recipients == [email]
    accepted = {"token": client.bus.inbox.token()}
    assert (await client.post(f"{INVITES}/accept", json=accepted)).status == 200
    await client.bus.settle()
    return invite_id


async def test_an_invitation_its_use_and_its_points_name_each_other(client: GatewayClient) -> None:
    code = await account(client)
    email = "bob@example.org"
    invite_id = await invite(client, email)
    (use,) = (await client.get(USES, client.issuer.access())).json["items"]
    assert (use["invitedUser"], use["code"], use["inviteId"]) == (email, code, invite_id)
    bob = client.issuer.id(BOB, email=email)
    confirmed = await client.post(f"{USES}/{use['useId']}/confirm", bob, json={})
    assert confirmed.json == {"state": "confirmed"}
    (row,) = await ledger(client)
    assert (row["useId"], row["inviteId"]) == (use["useId"], invite_id)
    explained = row["explanation"]
    assert (explained["person"], explained["code"]) == (email, code)
    assert explained["text"].startswith(f"{email}, whom you invited, joined with your code {code}")
    assert explained["text"].endswith("You earned 100 points.")
    assert "100 points" in explained["rule"]
    invitation = (await client.get(f"{INVITES}/{invite_id}", client.issuer.access())).json
    assert (invitation["useId"], invitation["email"]) == (use["useId"], email)


async def test_a_person_who_came_without_an_invitation_stays_masked(client: GatewayClient) -> None:
    code = await account(client)
    await account(client, BOB)
    use_id = await refer(client, code)
    await client.bus.settle()
    (use,) = (await client.get(USES, client.issuer.access())).json["items"]
    assert (use["invitedUser"], use["code"], use["inviteId"]) == ("0***@e***.com", code, None)
    (row,) = await ledger(client)
    assert row["explanation"]["person"] == "0***@e***.com"
    assert address(BOB) not in str(row)
    (joined,) = await ledger(client, BOB)
    assert joined["reason"] == "was_referred"
    assert joined["explanation"]["text"].startswith(
        f"You joined with the code {code} of a***@e***.com"
    )
    path = f"/v1/admin/uses/{use_id}/reverse"
    assert (await client.post(path, admin(client), json={"reason": "why not"})).status == 204
    texts = [each["explanation"]["text"] for each in await ledger(client)]
    assert texts[0].startswith("The team reversed the referral of 0***@e***.com")
    assert texts[0].endswith("You lose the 100 points that it earned.")
    await client.bus.settle()
    withdrawn, _ = await ledger(client, BOB)
    text = withdrawn["explanation"]["text"]
    assert text.startswith("The team reversed the referral by which you joined")


async def test_inviting_a_person_who_has_used_the_code_does_not_unmask_the_person(
    client: GatewayClient,
) -> None:
    code = await account(client)
    await refer(client, code)
    body = {"email": address(BOB)}

    async def sent() -> str | None:
        reply = await client.post(INVITES, client.issuer.access(), json=body)
        return reply.json.get("invite") if reply.status == 202 else None

    invite_id = await eventually(sent)
    await client.bus.settle()
    (use,) = (await client.get(USES, client.issuer.access())).json["items"]
    assert (use["invitedUser"], use["inviteId"]) == ("0***@e***.com", None)
    invitation = (await client.get(f"{INVITES}/{invite_id}", client.issuer.access())).json
    assert invitation["useId"] is None


async def test_pending_and_void_points_are_explained(client: GatewayClient) -> None:
    code = await account(client)
    body = {"referralCode": code, "user": "mallory@mailinator.com"}
    use_id = (await client.post(USES, json=body)).json["useId"]
    token = client.issuer.id(BOB, email="mallory@mailinator.com")
    assert (await client.post(f"{USES}/{use_id}/confirm", token, json={})).json == {"state": "held"}
    (row,) = await ledger(client)
    assert row["explanation"]["text"].endswith("once the referral is confirmed.")
    reject = f"/v1/admin/cases/{use_id}/reject"
    assert (await client.post(reject, admin(client), json={"reason": "disposable"})).status == 204
    (row,) = await ledger(client)
    assert row["explanation"]["text"].endswith("so its 100 points do not count.")


async def test_an_invitation_says_when_and_how_often_it_can_be_resent(
    client: GatewayClient,
) -> None:
    await account(client)

    async def sent() -> str | None:
        body = {"email": "carol@example.org"}
        reply = await client.post(INVITES, client.issuer.access(), json=body)
        return reply.json.get("invite") if reply.status == 202 else None

    invite_id = await eventually(sent)
    await client.bus.settle()
    path, token = f"{INVITES}/{invite_id}", client.issuer.access()
    invitation = (await client.get(path, token)).json
    expected = invitation["requestedAt"] + 86_400
    assert (invitation["resendsLeft"], invitation["resendableAt"]) == (3, expected)
    assert (await client.post(f"{path}/resend", token, json={})).status == 409
    assert (await client.call("DELETE", path, token)).status == 204

    async def revoked() -> bool:
        shown = (await client.get(path, token)).json
        return (shown["resendsLeft"], shown["resendableAt"]) == (0, None)

    await eventually(revoked)
