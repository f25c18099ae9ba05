"""Invitations through the door."""

import json
from typing import Any

import pytest

from tests.gateway.conftest import Door, Doors, Reply
from tests.gateway.world import ALICE
from tests.support.eventually import eventually

INVITES = "/v1/invites"
LIMITS = "gateway:limits"
BOB = "5e1f0c2a-0000-4000-8000-000000000b0b"
STRANGER = "A" * 43


@pytest.fixture
async def door(doors: Doors) -> Door:
    """One that counts and turns nobody away; Alice has an account."""
    names = ("invites", "invite-bulks", "invite-tokens")
    await doors.redis.hset(LIMITS, mapping=dict.fromkeys(names, "1/60;shadow"))
    door = await doors.open()

    async def known() -> bool:
        return door.gateway.dependencies.limiter.table["invites"].shadow

    await eventually(known)
    await door.post("/v1/me", door.issuer.id(ALICE, email="alice@example.com"))

    async def registered() -> bool:
        return f"inviter-{ALICE}" in door.bus.stores["invites"].streams

    await eventually(registered)
    return door


async def send(door: Door, email: str = "bob@example.org", **more: Any) -> Reply:
    return await door.post(INVITES, door.issuer.access(), json={"email": email} | more)


async def mailed(door: Door, count: int = 1) -> str:
    """The token of the newest mail."""

    async def come() -> bool:
        return len(door.bus.inbox.mails) == count

    await eventually(come)
    return door.bus.inbox.token()


async def shown(door: Door, state: str, name: str) -> dict[str, Any]:
    async def so() -> dict[str, Any] | None:
        answer = await door.get(f"{INVITES}/{name}", door.issuer.access())
        return answer.json if answer.json.get("state") == state else None

    found = await eventually(so)
    assert found is not None
    return found


async def test_an_invitation_is_sent_looked_up_and_accepted(door: Door) -> None:
    sent = await send(door, note="See you!", name="Alice")
    assert (sent.status, sent.json["code"]) == (202, "accepted")
    name = sent.json["invite"]
    assert sent.headers["Location"] == f"{INVITES}/{name}"
    token = await mailed(door)
    await shown(door, "sent", name)
    looked = await door.post(f"{INVITES}/lookup", json={"token": token})
    assert looked.status == 200
    assert looked.json["inviter"] == "Alice"
    accepted = await door.post(f"{INVITES}/accept", json={"token": token})
    assert accepted.status == 200
    use_id = accepted.json["useId"]
    again = await door.post(f"{INVITES}/accept", json={"token": token})
    assert again.json == accepted.json
    await shown(door, "accepted", name)

    async def reserved() -> bool:
        uses = await door.get("/v1/referral/uses", door.issuer.access())
        return [each["useId"] for each in uses.json["items"]] == [use_id]

    await eventually(reserved)
    bob = door.issuer.id(BOB, email="bob@example.org")
    confirmed = await door.post(f"/v1/referral/uses/{use_id}/confirm", bob, json={})
    assert confirmed.json == {"state": "confirmed"}
    declined = await door.post(f"{INVITES}/decline", json={"token": token})
    assert (declined.status, declined.json["code"]) == (409, "invite_accepted")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_scanner_that_follows_every_link_changes_nothing(door: Door, method: str) -> None:
    name = (await send(door)).json["invite"]
    token = await mailed(door)
    out = door.bus.inbox.unsubscribe_token()
    before = len(door.bus.stores["invites"].streams)
    commands = len(door.bus.sent)
    for path in (
        f"{INVITES}/accept",
        f"{INVITES}/decline",
        f"{INVITES}/lookup",
        f"{INVITES}/accept?token={token}",
        f"/v1/unsubscribe/{out}",
        f"/v1/unsubscribe/{token}",
    ):
        async with door.session.request(method, door.url + path) as answer:
            assert answer.status < 500
    assert len(door.bus.sent) == commands
    assert len(door.bus.stores["invites"].streams) == before
    assert (await shown(door, "sent", name))["state"] == "sent"


async def test_one_click_unsubscribes_and_the_page_has_a_button(door: Door) -> None:
    await send(door)
    await mailed(door)
    path = f"/v1/unsubscribe/{door.bus.inbox.unsubscribe_token()}"
    page = await door.get(path)
    assert b'method="post"' in page.body
    form = {"List-Unsubscribe": "One-Click"}
    for _ in range(2):
        assert (await door.post(path, data=form)).status == 200
    assert (await door.post(f"/v1/unsubscribe/{STRANGER}", data=form)).status == 404


async def test_a_stranger_learns_nothing(door: Door) -> None:
    name = (await send(door)).json["invite"]
    await mailed(door)
    for verb in ("lookup", "accept", "decline"):
        answer = await door.post(f"{INVITES}/{verb}", json={"token": STRANGER})
        assert (answer.status, answer.json["code"]) == (404, "not_found")
        short = await door.post(f"{INVITES}/{verb}", json={"token": "short"})
        assert short.status == 422
    other = door.issuer.access(BOB)
    assert (await door.get(f"{INVITES}/{name}", other)).status == 404
    assert (await door.call("DELETE", f"{INVITES}/{name}", other)).status == 404
    assert (await door.post(f"{INVITES}/{name}/resend", other)).status == 404
    assert (await door.get(INVITES, other)).json == {"items": [], "next": None}


async def test_a_member_and_a_stranger_get_the_same_answer(door: Door) -> None:
    await door.post("/v1/me", door.issuer.id(BOB, email="bob@example.org"))

    async def suppressed() -> bool:
        streams = door.bus.stores["invites"].streams
        return sum(name.startswith("suppression-") for name in streams) == 2

    await eventually(suppressed)
    member, stranger = await send(door), await send(door, "carol@example.org")
    await mailed(door)
    for answer in (member, stranger):
        assert answer.status == 202
        assert set(answer.json) == set(stranger.json)
        found = await shown(door, "sent", answer.json["invite"])
        assert [line["what"] for line in found["timeline"]] == ["requested", "sent"]
    assert [mail["To"] for mail in door.bus.inbox.mails] == ["carol@example.org"]


async def test_a_revoked_one_is_gone_and_a_second_wish_is_refused(door: Door) -> None:
    name = (await send(door)).json["invite"]
    token = await mailed(door)
    twice = await send(door, "Bob+x@example.org")
    assert (twice.status, twice.json["code"]) == (409, "already_invited")
    early = await door.post(f"{INVITES}/{name}/resend", door.issuer.access())
    assert (early.status, early.json["code"]) == (409, "resent_lately")
    revoked = await door.call("DELETE", f"{INVITES}/{name}", door.issuer.access())
    assert revoked.status == 204
    gone = await door.post(f"{INVITES}/accept", json={"token": token})
    assert (gone.status, gone.json["code"]) == (410, "invite_revoked")
    looked = await door.post(f"{INVITES}/lookup", json={"token": token})
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
async def test_hostile_words_are_refused_naming_the_field(
    door: Door, field: str, hostile: str
) -> None:
    answer = await send(door, **{field: hostile})
    assert answer.status == 422
    assert answer.json["errors"][0]["field"] == field
    assert door.bus.inbox.asked == 0


CSV = (
    "email,note\r\nbob@example.org,See you\r\nnobody,\r\nbob@example.org,\r\ncarol@example.org,\r\n"
)
ROWS = [
    {"email": "bob@example.org", "note": "See you"},
    {"email": "nobody"},
    {"email": "bob@example.org"},
    {"email": "carol@example.org"},
]


@pytest.mark.parametrize("kind", ["csv", "json"])
async def test_many_at_once_each_with_its_own_result(door: Door, kind: str) -> None:
    token = door.issuer.access()
    keyed = {"Idempotency-Key": f"bulk-{kind}"}
    if kind == "csv":
        options: dict[str, Any] = {"data": CSV.encode(), "headers": {"Content-Type": "text/csv"}}
    else:
        options = {"data": json.dumps({"rows": ROWS}).encode()}
        options["headers"] = {"Content-Type": "application/json"}
    options["headers"] |= keyed
    answer = await door.post(f"{INVITES}/bulk", token, **options)
    assert answer.status == 202, answer.body
    assert answer.json["accepted"] == 2
    assert answer.json["rejected"] == [
        {"row": 2, "code": "invalid_email"},
        {"row": 3, "code": "already_invited"},
    ]
    again = await door.post(f"{INVITES}/bulk", token, **options)
    assert again.json == answer.json
    await mailed(door, 2)
    listed = await door.get(INVITES, token)
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
        (400, b"email\n", "text/plain"),
        (422, b'{"rows":[]}', "application/json"),
        (
            422,
            json.dumps({"rows": [{"email": "a@example.org"}] * 201}).encode(),
            "application/json",
        ),
    ],
)
async def test_a_file_that_cannot_be_read_sends_nothing(
    door: Door, status: int, body: bytes, kind: str
) -> None:
    commands = len(door.bus.sent)
    answer = await door.post(
        f"{INVITES}/bulk", door.issuer.access(), data=body, headers={"Content-Type": kind}
    )
    assert answer.status == status
    assert answer.json["detail"]
    assert len(door.bus.sent) == commands
