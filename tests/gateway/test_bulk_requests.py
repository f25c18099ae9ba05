"""Bulk requests of every documented size and form are accepted; a bad row is its own result."""

import json
import random
from typing import Any

import aiohttp
import pytest

from chassis.log.codec import Codec
from chassis.log.event_store import MAX_COMMIT_BYTES
from contracts.invites import MAX_BULK, InviteAdmitted, InviteRow, SendInvites
from faststream_sqs.wire import MAX_MESSAGE_BYTES
from tests.gateway.conftest import GatewayClient, Gateways, Reply
from tests.gateway.environment import ALICE
from tests.gateway.routes_walk import unlimited
from tests.support.eventually import eventually

BULK = "/v1/invites/bulk"
CSV = "email,note\nbob@example.org,See you\n"
LONG_NOTE = 280
KINDS = {
    "letters": "a",
    "brackets": "[",
    "quotes": '"',
    "backslashes": "\\",
    "umlauts": "ä",
    "kanji": "\u6f22",
    "emoji": "\U0001f600",
    "rare": "\U00020000",
}


@pytest.fixture
async def client(gateways: Gateways) -> GatewayClient:
    client = await unlimited(gateways)
    await client.post("/v1/me", client.issuer.id())

    async def registered() -> bool:
        return f"inviter-{ALICE}" in client.bus.stores["invites"].streams

    await eventually(registered)
    client.bus.forget_sent()
    return client


async def send(client: GatewayClient, body: bytes, kind: str = "application/json") -> Reply:
    headers = {"Content-Type": kind, "Prefer": "wait=25"}
    return await client.post(BULK, client.issuer.access(), data=body, headers=headers)


def people(note: str) -> list[dict[str, str]]:
    local, domain = "x" * 54, ".".join(["y" * 60] * 2)
    return [{"email": f"{n}{local}@{domain}.com", "note": note} for n in range(MAX_BULK)]


@pytest.mark.parametrize("kind", KINDS)
async def test_two_hundred_rows_with_full_notes_are_accepted(
    kind: str, client: GatewayClient
) -> None:
    rows = people(KINDS[kind] * LONG_NOTE)
    lines = [[row["email"], '"' + row["note"].replace('"', '""') + '"'] for row in rows]
    file = "email,note\n" + "\n".join(",".join(line) for line in lines)
    content = {"name": "Alice", "rows": rows}
    client.bus.held = True
    for body, content_type in (
        (_json(content, escaped=False), "application/json"),
        (_json(content, escaped=True), "application/json"),
        (file.encode(), "text/csv"),
        (file.encode("utf-16"), "text/csv"),
    ):
        client.bus.forget_sent()
        response = await client.post(
            BULK,
            client.issuer.access(),
            data=body,
            headers={"Content-Type": content_type, "Prefer": "respond-async"},
        )
        assert response.status == 202, response.body
        (command,) = [sent.body for sent in client.bus.sent]
        assert [row["note"] for row in command["rows"]] == [rows[0]["note"]] * MAX_BULK


def test_two_hundred_full_rows_fit_into_one_message_and_one_commit() -> None:
    chance = random.Random(1)  # characters that compress badly
    notes = [
        "".join(chr(chance.randrange(0x20000, 0x2A000)) for _ in range(280)) for _ in people("")
    ]
    rows = [InviteRow(email=row["email"], note=n) for row, n in zip(people(""), notes, strict=True)]
    command = SendInvites(inviter_id=ALICE, job_id="0" * 32, rows=tuple(rows), name="n" * 80)
    assert len(command.model_dump_json().encode()) < MAX_MESSAGE_BYTES
    admitted = [
        InviteAdmitted(
            inviter_id=ALICE,
            inviter_email="a" * 254,
            invite_id=f"{number:032x}",
            email=row.email,
            note=row.note,
            name=command.name,
            admitted_at=1_790_000_000,
        )
        for number, row in enumerate(rows)
    ]
    _, stored = Codec[InviteAdmitted](InviteAdmitted).encode(admitted)
    assert len(stored) < MAX_COMMIT_BYTES


def _json(content: Any, *, escaped: bool) -> bytes:
    """Return pretty-printed JSON; `escaped` spells every character of a text as \\u…."""
    if not escaped:
        return json.dumps(content, ensure_ascii=False, indent=4).encode()
    text = json.dumps(content, indent=4)
    plain = json.dumps(content["rows"][0]["note"])[1:-1]
    units = content["rows"][0]["note"].encode("utf-16-be").hex()
    spelled = "".join("\\u" + units[at : at + 4] for at in range(0, len(units), 4))
    return text.replace(plain, spelled).encode()


async def test_a_bulk_response_has_the_members_of_every_202(client: GatewayClient) -> None:
    response = await send(client, json.dumps({"rows": [{"email": "bob@example.org"}]}).encode())
    assert response.status == response.json["status_code"] == 202
    assert response.json["code"] == "accepted"
    assert response.json["detail"] == "1 invitation is on the way."
    assert response.json["request_id"] == response.headers["X-Request-ID"]
    assert response.json["jobId"]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"email": "carol@example.org", "note": "x" * 281}, "invalid_note"),
        ({"email": "carol@example.org", "note": "x" * 5_000}, "invalid_note"),
        ({"email": "carol@example.org", "note": None}, "invalid_note"),
        ({"email": "carol@example.org", "note": 7}, "invalid_note"),
        ({"email": "carol@example.org", "note": ["hello"]}, "invalid_note"),
        ({"email": "carol@example.org", "locale": "klingon!"}, "invalid_locale"),
        ({"email": "carol@example.org", "locale": None}, "invalid_locale"),
        ({"email": "no address"}, "invalid_email"),
        ({"email": None}, "invalid_email"),
        ({"email": 2**70}, "invalid_email"),
        ({}, "invalid_email"),
        ({"email": "carol@example.org", "phone": "1"}, "invalid_row"),
        ({"email": "carol@example.org", "row": 9}, "invalid_row"),
        (None, "invalid_row"),
        ("carol@example.org", "invalid_row"),
        ([["carol@example.org"]], "invalid_row"),
        (2**70, "invalid_row"),
    ],
)
async def test_a_bad_row_of_json_is_its_own_result(
    row: object, code: str, client: GatewayClient
) -> None:
    rows = [{"email": "bob@example.org"}, row, {"email": "dave@example.org"}]
    response = await send(client, json.dumps({"rows": rows}).encode())
    assert response.status == 202, response.body
    assert response.json["accepted"] == 2
    assert response.json["rejected"] == [{"row": 2, "code": code}]
    alone = await send(client, json.dumps({"rows": [row]}).encode())
    assert alone.status == 422
    assert alone.json["errors"][0]["field"] == "rows.1"


async def test_rows_of_a_file_are_numbered_without_empty_ones(client: GatewayClient) -> None:
    text = (
        "sep=;\r\nemail;note;;\r\nbob@example.org;Hi;;\r\n;;;\r\nnobody;;;\r\n"
        "carol@example.org;"
        + "x" * 281
        + ";;\r\ndave@example.org\r\nerin@example.org;;;\r\n;;;\r\n"
    )
    response = await send(client, text.encode("utf-8-sig"), "application/vnd.ms-excel")
    assert response.status == 202, response.body
    assert response.json["accepted"] == 2
    assert response.json["rejected"] == [
        {"row": 2, "code": "invalid_email"},
        {"row": 3, "code": "invalid_note"},
        {"row": 4, "code": "invalid_row"},
    ]
    assert response.json["detail"].startswith("2 invitations are on the way, 3 of your rows")


async def test_a_file_from_a_form_is_accepted(client: GatewayClient) -> None:
    form = aiohttp.FormData()
    form.add_field("file", CSV.encode(), filename="people.csv", content_type="text/csv")
    response = await client.post(BULK, client.issuer.access(), data=form)
    assert response.status == 202, response.body
    assert response.json["accepted"] == 1


@pytest.mark.parametrize("kind", ["application/pdf", "application/x-www-form-urlencoded", "*/*"])
async def test_another_type_is_rejected_with_the_possible_ones(
    kind: str, client: GatewayClient
) -> None:
    response = await send(client, CSV.encode(), kind)
    assert (response.status, response.json["code"]) == (400, "unsupported_content_type")
    assert "application/json" in response.json["detail"]
    assert "text/csv" in response.json["detail"]


@pytest.mark.parametrize(
    "time", [-1, 2**33 * 1_000, 253_402_300_800, 2**53 + 1, 2**63, 2**64, 10**300]
)
async def test_a_time_that_is_no_date_is_rejected(time: int, client: GatewayClient) -> None:
    issuer = client.issuer
    groups: dict[str, Any] = {"cognito:groups": ["admin"]}
    admin = issuer.access(**groups)
    campaign = {"id": "spring", "totalReferrals": 5, "reason": "spring", "expiresAt": time}
    for path, token, body in (
        ("/v1/referral/codes", issuer.access(), {"kind": "random", "expiresAt": time}),
        ("/v1/admin/campaigns", admin, campaign),
    ):
        response = await client.post(path, token, json=body)
        assert (response.status, response.json["code"]) == (422, "invalid_request")
        assert [error["field"] for error in response.json["errors"]] == ["expiresAt"]
    assert client.bus.sent == []
