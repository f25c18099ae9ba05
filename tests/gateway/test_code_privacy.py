"""What strangers and inviters can find out about people who have used a code."""

import hashlib
import hmac
import itertools
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.addresses import digest, folded
from contracts.referral_ids import ReferralIds
from deploy.folders import ROOT
from tests.gateway.conftest import GatewayClient, Reply
from tests.gateway.environment import ALICE
from tests.gateway.test_referrals import (
    BOB,
    CODES,
    USES,
    account,
    address,
    admin,
    client,
    confirm,
    refer,
    reserve,
)
from tests.support.eventually import eventually

__all__ = ["client"]
CAROL, DORA = f"{'c' * 35}1", f"{'d' * 35}1"
HALF_HOUR = 1_800


def shape(reply: Reply, asked_at: float) -> tuple[Any, ...]:
    """Return all that a stranger can compare of a response."""
    body = dict(reply.json)
    for name in ("useId", "request_id"):
        body[name] = len(body[name]) if name in body else None
    if "expiresAt" in body:
        body["expiresAt"] = 0 <= body["expiresAt"] - asked_at - HALF_HOUR + 1 <= 60
    headers = {
        name: re.sub("[0-9a-f]{32}", "…", value)
        for name, value in reply.headers.items()
        if not name.startswith(("RateLimit", "X-RateLimit", "X-Request", "Date", "traceparent"))
    }
    return reply.status, body, headers


async def prepare(client: GatewayClient, code_state: str) -> str:
    """Return a code of Alice that Carol has reserved and Bob has confirmed; Dora has an account."""
    await account(client, DORA)
    await account(client)
    body = {"maxUses": 2 if code_state == "full" else 3}
    if code_state == "expired":
        body["expiresAt"] = int(time.time()) + 600
    code = (await client.post(CODES, client.issuer.access(), json=body)).json["code"]
    await refer(client, code, BOB)
    assert (await reserve(client, code, CAROL)).status == 201
    return str(code)


@pytest.mark.parametrize("code_state", ["free", "full", "expired"])
async def test_a_stranger_cannot_find_out_who_has_used_a_code(
    client: GatewayClient, code_state: str
) -> None:
    code = await prepare(client, code_state)
    if code_state == "expired":
        client.bus.services.clock = time.time() + 601
    expected = 201 if code_state == "free" else 409
    seen = []
    for sub in (CAROL, BOB, DORA, ALICE, f"{'e' * 35}1"):  # the last: new, and takes the seat
        asked_at = time.time()
        reply = await reserve(client, code, sub)
        assert reply.status == expected
        seen.append(shape(reply, asked_at))
        if sub in (DORA, ALICE) and code_state == "free":
            await release(client, reply.json["useId"])
    assert all(each == seen[0] for each in seen), seen


async def release(client: GatewayClient, use_id: str) -> None:
    released = await client.call("DELETE", f"{USES}/{use_id}", client.issuer.program())
    assert released.status == 204


async def test_a_rejected_person_looks_like_a_new_one_to_strangers(client: GatewayClient) -> None:
    code = await account(client)
    use_id = await refer(client, code)
    reversal = {"reason": "a mistake"}
    path = f"/v1/admin/uses/{use_id}/reverse"
    assert (await client.post(path, admin(client), json=reversal)).status == 204
    asked_at = time.time()
    replies = [await reserve(client, code, sub) for sub in (BOB, CAROL)]
    assert len({json.dumps(shape(reply, asked_at)) for reply in replies}) == 1
    token = client.issuer.id(BOB, email=address(BOB))
    body = {"referralCode": code, "user": address(BOB)}
    assert (await client.post(USES, token, json=body)).status == 409


async def test_a_person_with_a_token_sees_the_state_of_their_seat(client: GatewayClient) -> None:
    code = (await prepare(client, "full")).upper()
    body = {"referralCode": code, "user": address(CAROL)}
    token = client.issuer.id(CAROL, email=address(CAROL))
    reserved = await client.post(USES, token, json=body)
    assert (reserved.status, reserved.json["state"]) == (201, "reserved")
    assert (await confirm(client, reserved.json["useId"], CAROL)).json == {"state": "confirmed"}
    again = await client.post(USES, token, json=body)
    assert (again.status, again.json["state"]) == (201, "confirmed")
    assert again.json["expiresAt"] is None


async def test_responses_to_strangers_do_not_name_the_referrer(client: GatewayClient) -> None:
    code = await account(client)
    reserved = await reserve(client, code)
    confirmed = await confirm(client, reserved.json["useId"])
    for reply in (reserved, confirmed):
        assert ALICE not in f"{reply.headers} {reply.body!r}"


# An inviter with the source code


async def test_an_operation_does_not_name_the_referrer_either(client: GatewayClient) -> None:
    code = await account(client)
    body, late = {"referralCode": code, "user": address(BOB)}, {"Prefer": "respond-async"}
    token = client.issuer.access(BOB)
    held = await client.post(USES, token, json=body, headers=late)
    assert held.status == 202

    async def done() -> Reply | None:
        look = await client.get(held.headers["Location"], token)
        return look if look.status == 200 else None

    look = await eventually(done)
    assert look is not None
    assert look.json["state"] == "accepted"
    assert look.json["position"] is None
    assert ALICE not in look.body.decode()


def guesses(sub: str, code: str, candidate: str) -> Iterator[str]:
    """Yield every id that the source code, and the keys in it, make of an address."""
    person = folded(candidate)
    subjects = [candidate, person, f"{sub}\n{person}", f"use\n{sub}\n{person}",
                f"address\n{person}", f"code {code}\n{person}"]  # fmt: skip
    for subject in subjects:
        yield hashlib.sha256(subject.encode()).hexdigest()
        yield hashlib.blake2b(subject.encode(), digest_size=6).hexdigest()
    yield digest(candidate)
    for key, subject in itertools.product(keys_in_source(), subjects):
        yield hmac.digest(key.encode(), subject.encode(), "sha256").hex()
        yield from ReferralIds.from_secrets(key).use_ids(sub, candidate)


def keys_in_source() -> list[str]:
    texts = [path.read_text() for path in (ROOT / "deploy").rglob("*.py")]
    found = {key for text in texts for key in re.findall(r'"([\w-]{32,})"', text)}
    return ["", *sorted(found)]


async def test_an_inviter_with_the_source_code_recovers_no_address(client: GatewayClient) -> None:
    code = await account(client)
    await refer(client, code)
    await reserve(client, code, CAROL)
    token = client.issuer.access()
    shown = [await client.get(path, token) for path in ("/v1/me", USES, "/v1/points/ledger")]
    text = " ".join(reply.body.decode() for reply in shown)
    assert address(BOB) not in text
    known = set(re.findall(r"[0-9a-f]{32}", text))
    assert len(known) == 2
    for candidate in (address(BOB), address(CAROL)):
        tried = set(guesses(ALICE, code, candidate))
        assert not {guess for guess in tried if guess[:32] in known}


def test_the_guesses_would_have_found_an_unkeyed_id() -> None:
    unkeyed = hashlib.sha256(f"{ALICE}\nbob@example.com".encode()).hexdigest()[:32]
    tried = guesses(ALICE, "", "bob@example.com")
    assert any(guess[:32] == unkeyed for guess in tried)
