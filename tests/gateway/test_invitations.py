"""Invitations by e-mail, through the gateway."""

import json
from typing import Any

import pytest

from tests.gateway.conftest import GatewayClient, Gateways, Reply
from tests.gateway.environment import ALICE
from tests.support.eventually import eventually

INVITES = "/v1/invites"
LIMITS = "gateway:limits"
BOB = "5e1f0c2a-0000-4000-8000-000000000b0b"
STRANGER = "A" * 43


@pytest.fixture
async def client(gateways: Gateways) -> GatewayClient:
    """A gateway whose limits count and reject no request; Alice has an account."""
    names = ("invites", "invite-bulks")
    await gateways.redis.hset(LIMITS, mapping=dict.fromkeys(names, "1/60;shadow"))
    client = await gateways.open()

    async def known() -> bool:
        return client.gateway.dependencies.limiter.table["invites"].shadow

    await eventually(known)
    await client.post("/v1/me", client.issuer.id(ALICE, email="alice@example.com"))

    async def registered() -> bool:
        return f"inviter-{ALICE}" in client.bus.stores["invites"].streams

    await eventually(registered)
    return client


async def send(client: GatewayClient, email: str = "bob@example.org", **more: Any) -> Reply:
    return await client.post(INVITES, client.issuer.access(), json={"email": email} | more)


async def mailed(client: GatewayClient, count: int = 1) -> str:
    """Return the token of the newest mail."""

    async def come() -> bool:
        return len(client.bus.inbox.mails) == count

    await eventually(come)
    return client.bus.inbox.token()


async def shown(client: GatewayClient, state: str, name: str) -> dict[str, Any]:
    async def so() -> dict[str, Any] | None:
        response = await client.get(f"{INVITES}/{name}", client.issuer.access())
        return response.json if response.json.get("state") == state else None

    found = await eventually(so)
    assert found is not None
    return found


async def test_an_invitation_is_sent_looked_up_and_accepted(client: GatewayClient) -> None:
    sent = await send(client, note="See you!", name="Alice")
    assert (sent.status, sent.json["code"]) == (202, "accepted")
    name = sent.json["invite"]
    assert sent.headers["Location"] == f"{INVITES}/{name}"
    token = await mailed(client)
    await shown(client, "sent", name)
    looked = await client.post(f"{INVITES}/lookup", json={"token": token})
    assert looked.status == 200
    assert looked.json["inviter"] == "Alice"
    accepted = await client.post(f"{INVITES}/accept", json={"token": token})
    assert accepted.status == 200
    use_id = accepted.json["useId"]
    again = await client.post(f"{INVITES}/accept", json={"token": token})
    assert again.json == accepted.json
    await shown(client, "accepted", name)

    async def reserved() -> bool:
        uses = await client.get("/v1/referral/uses", client.issuer.access())
        return [each["useId"] for each in uses.json["items"]] == [use_id]

    await eventually(reserved)
    bob = client.issuer.id(BOB, email="bob@example.org")
    confirmed = await client.post(f"/v1/referral/uses/{use_id}/confirm", bob, json={})
    assert confirmed.json == {"state": "confirmed"}
    declined = await client.post(f"{INVITES}/decline", json={"token": token})
    assert (declined.status, declined.json["code"]) == (409, "invite_accepted")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_following_links_changes_nothing(client: GatewayClient, method: str) -> None:
    name = (await send(client)).json["invite"]
    token = await mailed(client)
    out = client.bus.inbox.unsubscribe_token()
    before = len(client.bus.stores["invites"].streams)
    commands = len(client.bus.sent)
    for path in (
        f"{INVITES}/accept",
        f"{INVITES}/decline",
        f"{INVITES}/lookup",
        f"{INVITES}/accept?token={token}",
        f"/v1/unsubscribe/{out}",
        f"/v1/unsubscribe/{token}",
    ):
        async with client.session.request(method, client.url + path) as response:
            assert response.status < 500
    assert len(client.bus.sent) == commands
    assert len(client.bus.stores["invites"].streams) == before
    assert (await shown(client, "sent", name))["state"] == "sent"


async def test_one_click_unsubscribes_and_the_page_has_a_button(client: GatewayClient) -> None:
    await send(client)
    await mailed(client)
    path = f"/v1/unsubscribe/{client.bus.inbox.unsubscribe_token()}"
    page = await client.get(path)
    assert b'method="post"' in page.body
    form = {"List-Unsubscribe": "One-Click"}
    for _ in range(2):
        done = await client.post(path, data=form)
        assert done.status == 200
        assert b'href="/app/"' in done.body
    assert (await client.post(f"/v1/unsubscribe/{STRANGER}", data=form)).status == 404


async def test_other_callers_cannot_see_an_invitation(client: GatewayClient) -> None:
    name = (await send(client)).json["invite"]
    await mailed(client)
    for verb in ("lookup", "accept", "decline"):
        response = await client.post(f"{INVITES}/{verb}", json={"token": STRANGER})
        assert (response.status, response.json["code"]) == (404, "not_found")
        short = await client.post(f"{INVITES}/{verb}", json={"token": "short"})
        assert short.status == 422
    other = client.issuer.access(BOB)
    assert (await client.get(f"{INVITES}/{name}", other)).status == 404
    assert (await client.call("DELETE", f"{INVITES}/{name}", other)).status == 404
    assert (await client.post(f"{INVITES}/{name}/resend", other)).status == 404
    assert (await client.get(INVITES, other)).json == {"items": [], "next": None}


async def test_inviting_a_member_gets_the_same_response_as_inviting_a_stranger(
    client: GatewayClient,
) -> None:
    await client.post("/v1/me", client.issuer.id(BOB, email="bob@example.org"))

    async def suppressed() -> bool:
        streams = client.bus.stores["invites"].streams
        return sum(name.startswith("suppression-") for name in streams) == 2

    await eventually(suppressed)
    member, stranger = await send(client), await send(client, "carol@example.org")
    await mailed(client)
    for response in (member, stranger):
        assert response.status == 202
        assert set(response.json) == set(stranger.json)
        found = await shown(client, "sent", response.json["invite"])
        assert [line["what"] for line in found["timeline"]] == ["requested", "sent"]
    assert [mail["To"] for mail in client.bus.inbox.mails] == ["carol@example.org"]


async def test_a_revoked_invitation_is_gone_and_a_second_one_is_rejected(
    client: GatewayClient,
) -> None:
    name = (await send(client)).json["invite"]
    token = await mailed(client)
    twice = await send(client, "Bob+x@example.org")
    assert (twice.status, twice.json["code"]) == (409, "already_invited")
    early = await client.post(f"{INVITES}/{name}/resend", client.issuer.access())
    assert (early.status, early.json["code"]) == (409, "resent_lately")
    revoked = await client.call("DELETE", f"{INVITES}/{name}", client.issuer.access())
    assert revoked.status == 204
    gone = await client.post(f"{INVITES}/accept", json={"token": token})
    assert (gone.status, gone.json["code"]) == (410, "invite_revoked")
    looked = await client.post(f"{INVITES}/lookup", json={"token": token})
    assert (looked.status, looked.json["code"]) == (410, "invite_revoked")


@pytest.mark.parametrize(
    ("field", "hostile"),
    [
        ("email", "bob@example.org\r\nBcc: all@example.org"),
        ("note", "\u202egnp.exe"),
        ("note", "x" * 281),
        ("note", "x" * 10_240),
        ("name", "Bob\r\nBcc: all@example.org"),
        ("name", "x" * 81),
        ("locale", "../../etc/passwd"),
    ],
)
async def test_hostile_text_is_rejected_with_the_name_of_its_field(
    client: GatewayClient, field: str, hostile: str
) -> None:
    response = await send(client, **{field: hostile})
    assert response.status == 422
    assert response.json["errors"][0]["field"] == field
    assert client.bus.inbox.calls == 0


CSV = (
    "email,note\r\nbob@example.org,See you\r\nnobody,\r\nbob@example.org,\r\ncarol@example.org,\r\n"
)
ROWS = [
    {"email": "bob@example.org", "note": "See you"},
    {"email": "alice"},
    {"email": "bob@example.org"},
    {"email": "carol@example.org"},
]


@pytest.mark.parametrize("kind", ["csv", "json"])
async def test_bulk_invitations_report_a_result_per_row(client: GatewayClient, kind: str) -> None:
    token = client.issuer.access()
    keyed = {"Idempotency-Key": f"bulk-{kind}"}
    if kind == "csv":
        options: dict[str, Any] = {"data": CSV.encode(), "headers": {"Content-Type": "text/csv"}}
    else:
        options = {"data": json.dumps({"rows": ROWS}).encode()}
        options["headers"] = {"Content-Type": "application/json"}
    options["headers"] |= keyed
    response = await client.post(f"{INVITES}/bulk", token, **options)
    assert response.status == 202, response.body
    assert response.json["accepted"] == 2
    assert response.json["rejected"] == [
        {"row": 2, "code": "invalid_email"},
        {"row": 3, "code": "already_invited"},
    ]
    again = await client.post(f"{INVITES}/bulk", token, **options)
    assert again.json == response.json
    await mailed(client, 2)
    listed = await client.get(INVITES, token)
    assert {each["email"] for each in listed.json["items"]} == {
        "bob@example.org",
        "carol@example.org",
    }


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b"\xff\xfe", "text/csv"),
        (422, b"address\nbob@example.org\n", "text/csv"),
        (422, b"email\n", "text/csv"),
        (422, b"email,note\nbob@example.org\n", "text/csv"),
        (422, b"email\n" + b"bob@example.org\n" * 201, "text/csv"),
        (422, b"email\nnobody\n", "text/csv"),
        (422, b"email\n", "text/plain"),
        (400, b"email\n", "application/pdf"),
        (422, b'{"rows":[]}', "application/json"),
        (
            422,
            json.dumps({"rows": [{"email": "a@example.org"}] * 201}).encode(),
            "application/json",
        ),
    ],
)
async def test_an_invalid_file_sends_no_invitation(
    client: GatewayClient, status: int, body: bytes, kind: str
) -> None:
    commands = len(client.bus.sent)
    response = await client.post(
        f"{INVITES}/bulk", client.issuer.access(), data=body, headers={"Content-Type": kind}
    )
    assert response.status == status
    assert response.json["detail"]
    assert len(client.bus.sent) == commands


async def test_a_client_that_has_the_current_invitations_gets_304(client: GatewayClient) -> None:
    sent = await send(client)
    await mailed(client)
    name, access = sent.json["invite"], client.issuer.access()
    await shown(client, "sent", name)
    paths = (INVITES, f"{INVITES}/{name}")
    tags = {path: (await client.get(path, access)).headers["ETag"] for path in paths}
    for path, tag in tags.items():
        again = await client.get(path, access, headers={"If-None-Match": tag})
        assert (again.status, again.body) == (304, b"")
    await client.call("DELETE", f"{INVITES}/{name}", access)
    await shown(client, "revoked", name)
    for path, tag in tags.items():
        assert (await client.get(path, access, headers={"If-None-Match": tag})).status == 200
