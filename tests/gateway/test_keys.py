"""One Idempotency-Key is one request: in flight, a day later, and after a loss of Redis."""

import ast
import asyncio
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from contracts.invites import RowCode, SendInvite
from gateway.http import idempotency
from gateway.http.idempotency import (
    STORED_SECONDS,
    Claim,
    KeyInUse,
    KeyReused,
    StoredResponse,
    StoredResponses,
)
from gateway.http.ids import keyed_command_id
from gateway.http.refusals import FINAL, PASSING
from gateway.http.responses import Response
from redis_batching.connection import connect
from tests.gateway.conftest import GatewayClient, Gateways, Reply
from tests.gateway.environment import ALICE
from tests.gateway.pages import OVERVIEW, RESOURCES
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer
from tests.support.services import build_read_models

BOB = "b0b00000-0000-4000-8000-000000000b0b"
KEY = {"Idempotency-Key": "a-key"}
COMMAND_ID = keyed_command_id(ALICE, "a-key")
INVITE = {"email": "bob@example.org", "note": "See you!"}
ROWS = {"rows": [{"email": "bob@example.org"}, {"email": "carol@example.org"}]}
SERVICES = ("referrals", "invites", "compute")
TO_ITSELF = frozenset({"not_wanted", "postponed", "range_out_of_order", "run_over", "under_way"})
"""Refusals of commands that only a service sends to itself."""
IMPOSSIBLE = frozenset({"invalid_code", "invalid_id"})
"""Refusals of commands that the gateway does not send: it checks the request first."""


async def with_account(client: GatewayClient, sub: str = ALICE) -> str:
    """Open an account; return its code."""
    opened = await client.post("/v1/me", client.issuer.id(sub))
    assert opened.status == 201
    code: str = opened.json["referralCode"]
    return code


async def invite(client: GatewayClient, body: Any = None, **headers: str) -> Reply:
    body = INVITE if body is None else body
    return await client.post(
        "/v1/invites", client.issuer.access(), json=body, headers=KEY | headers
    )


async def forget_redis(client: GatewayClient) -> None:
    await client.bus.settle()
    await client.redis.flushall()
    for service in client.bus.services.running.values():
        await build_read_models(service.application)
    await eventually(lambda: _ready(client))


async def _ready(client: GatewayClient) -> bool:
    return not await client.gateway.health.failing()


async def a_day_passes(redis: Redis) -> None:
    """Delete what is stored for a day."""
    for pattern in ("answer:*", "claimed:*", "outcome:*", "operation:*"):
        for key in await redis.keys(pattern):
            assert 0 < await redis.ttl(key) <= 2 * STORED_SECONDS
            await redis.delete(key)


async def invited(client: GatewayClient) -> list[str]:
    """Return the addresses of the invitations that were admitted."""
    history = await client.bus.stores["invites"].load(f"inviter-{ALICE}")
    return [event.email for event in history.events if event.type == "InviteAdmitted"]


@pytest.mark.parametrize("path", ["/v1/invites", "/v1/invites/bulk"])
@pytest.mark.parametrize("change", ["rotate", "revoke"])
@pytest.mark.parametrize("loss", ["nothing", "response", "all"])
async def test_a_request_is_replayed_after_the_code_that_it_used_has_changed(
    client: GatewayClient, path: str, change: str, loss: str
) -> None:
    code, token = await with_account(client), client.issuer.access()
    body = INVITE if path.endswith("invites") else ROWS

    async def send() -> Reply:
        return await client.post(path, token, json=body, headers=KEY)

    first = await send()
    assert first.status == 202
    before = await invited(client)
    if change == "rotate":
        changed = await client.post(f"/v1/referral/codes/{code}/rotate", token)
    else:
        changed = await client.call("DELETE", f"/v1/referral/codes/{code}", token)
    assert changed.status in (200, 204)
    if loss == "response":
        await client.redis.delete(*await client.redis.keys("answer:*"))
    elif loss == "all":
        await forget_redis(client)
    again = await send()
    assert (again.status, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert again.json.get("invite") == first.json.get("invite")
    assert again.json.get("jobId") == first.json.get("jobId")
    assert await invited(client) == before


async def test_a_replay_is_not_charged_to_the_limits_of_its_route(client: GatewayClient) -> None:
    await with_account(client)
    first = await invite(client)
    for _ in range(12):
        assert (await invite(client)).body == first.body
    other = await client.post(
        "/v1/invites", client.issuer.access(), json={"email": "carol@example.org"}
    )
    assert other.status == 202
    assert '"invites";r=8' in other.headers["RateLimit"]
    assert '"repetitions"' in (await invite(client)).headers["RateLimit"]


async def test_a_newcomer_repeats_a_refused_request_once_the_account_is_open(
    client: GatewayClient,
) -> None:
    early = await invite(client)
    assert (early.status, early.json["code"]) == (404, "no_account")
    await with_account(client)
    assert (await invite(client)).status == 202
    assert (await invite(client)).headers["Idempotency-Replayed"] == "true"
    assert await invited(client) == ["bob@example.org"]


async def test_a_key_whose_refusal_passes_stays_the_key_of_its_request(
    client: GatewayClient,
) -> None:
    assert (await invite(client)).status == 404
    other = await invite(client, {"email": "carol@example.org"})
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")


async def test_no_code_is_not_final_for_a_key(client: GatewayClient) -> None:
    code, token = await with_account(client), client.issuer.access()
    await client.call("DELETE", f"/v1/referral/codes/{code}", token)
    refused = await invite(client)
    assert (refused.status, refused.json["code"]) == (409, "no_code")
    await client.post("/v1/referral/codes", token, json={})
    assert (await invite(client)).status == 202


async def test_a_passing_refusal_that_was_answered_with_202_is_decided_again(
    client: GatewayClient,
) -> None:
    sent = await invite(client, Prefer="respond-async")
    assert sent.status == 202
    where, token = sent.headers["Location"], client.issuer.access()

    async def state() -> Any:
        return (await client.get(where, token)).json.get("state")

    assert await eventually(state) == "rejected"
    await with_account(client)
    assert (await invite(client)).status == 202
    assert await state() == "accepted"


async def test_a_final_refusal_is_replayed(client: GatewayClient) -> None:
    await with_account(client)
    first = await client.post("/v1/me", client.issuer.id(), headers=KEY)
    again = await client.post("/v1/me", client.issuer.id(), headers=KEY)
    assert (first.status, again.status) == (409, 409)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.body == first.body


@pytest.mark.parametrize("prefer", ["respond-async", "wait=0"])
async def test_one_key_is_one_request_while_its_outcome_is_unknown(
    client: GatewayClient, prefer: str
) -> None:
    codes = [await with_account(client, sub) for sub in (ALICE, BOB)]
    client.bus.forget_sent()
    client.bus.held = True
    headers = KEY | {"Prefer": prefer}

    async def use(code: str, user: str = "dave@example.org") -> Reply:
        body = {"referralCode": code, "user": user}
        return await client.post("/v1/referral/uses", json=body, headers=headers)

    assert (await use(codes[0])).status == 202
    for other in (use(codes[1]), use(codes[0], "erin@example.org")):
        refused = await other
        assert (refused.status, refused.json["code"]) == (422, "idempotency_key_reused")
    assert (await use(codes[0])).status == 202
    assert {sent.group_id for sent in client.bus.sent} == {f"member-{ALICE}"}
    client.bus.release()
    headers.pop("Prefer")
    final = await use(codes[0])
    assert (final.status, final.json["state"]) == (201, "reserved")
    assert (await use(codes[1])).status == 422


async def test_a_key_in_flight_refuses_another_request_and_asks_the_same_to_wait(
    client: GatewayClient,
) -> None:
    await with_account(client)
    client.bus.held = True
    client.bus.forget_sent()
    first = asyncio.create_task(invite(client, Prefer="wait=20"))

    async def sent() -> bool:
        return bool(client.bus.sent)

    await eventually(sent)
    assert (await invite(client)).json["code"] == "idempotency_key_in_use"
    other = await invite(client, {"email": "carol@example.org"})
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    client.bus.release()
    assert (await first).status == 202
    assert await invited(client) == ["bob@example.org"]


async def test_a_response_without_a_result_is_not_stored(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is accepted, and its read model shows it a moment later."""
    await with_account(client)
    models = client.gateway.dependencies.read_models

    async def nothing(*_: Any) -> None:
        return None

    with monkeypatch.context() as patched:
        patched.setattr(type(models), "entry", nothing)
        early = await invite(client)
    assert (early.status, early.json["detail"]) == (
        202,
        "Your request was accepted and is being processed.",
    )
    final = await invite(client)
    assert final.json["detail"] == "Your invitation is on its way."
    assert final.headers["Location"].startswith("/v1/invites/")
    assert (await invite(client)).body == final.body


async def test_a_202_that_an_earlier_build_stored_gives_way_to_the_outcome(
    client: GatewayClient,
) -> None:
    first = await client.post("/v1/me", client.issuer.id(), headers=KEY)
    (key,) = await client.redis.keys("answer:*")
    stored: Any = await client.redis.get(key)
    digest = orjson.loads(stored.partition(b"\n")[0])[0]
    head = [digest, 202, "application/json", {"Location": f"/v1/operations/{COMMAND_ID}"}]
    await client.redis.set(key, orjson.dumps(head) + b"\n{}")
    again = await client.post("/v1/me", client.issuer.id(), headers=KEY)
    assert (again.status, again.body) == (201, first.body)


async def test_what_an_earlier_build_stored_is_replayed(client: GatewayClient) -> None:
    """It stored the digest of the command, in which the code counted, and no fingerprint."""
    code = await with_account(client)
    first = await invite(client)
    command = next(sent.body for sent in client.bus.sent if sent.body["type"] == "SendInvite")
    assert command["code"] == code.replace("-", "")
    digests = SendInvite.model_validate(command).body_hashes
    (key,) = await client.redis.keys("answer:*")
    stored: Any = await client.redis.get(key)
    head, _, body = stored.partition(b"\n")
    for digest in digests:
        changed = [digest, *orjson.loads(head)[1:]]
        await client.redis.set(key, orjson.dumps(changed) + b"\n" + body)
        await client.redis.set(f"claimed:{{{COMMAND_ID}}}", "1")
        again = await invite(client)
        assert (again.status, again.body) == (202, first.body)
        other = await invite(client, {"email": "carol@example.org"})
        assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")


async def test_a_day_later_an_accepted_request_is_still_not_executed_twice(
    client: GatewayClient,
) -> None:
    await with_account(client)
    first = await invite(client)
    await a_day_passes(client.redis)
    again = await invite(client)
    assert (again.status, again.json["invite"]) == (202, first.json["invite"])
    assert again.headers["Idempotency-Replayed"] == "true"
    await a_day_passes(client.redis)
    other = await invite(client, {"email": "carol@example.org"})
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    assert await invited(client) == ["bob@example.org"]


async def test_a_day_later_a_refused_request_is_decided_again(client: GatewayClient) -> None:
    own = {"email": f"{ALICE[-8:]}@example.com"}
    await with_account(client)
    assert (await invite(client, own)).json["code"] == "own_address"
    await a_day_passes(client.redis)
    refused = await invite(client, own)
    assert (refused.status, refused.json["code"]) == (409, "own_address")
    assert "Idempotency-Replayed" not in refused.headers


async def test_a_request_that_was_not_admitted_does_not_use_its_key(
    client: GatewayClient,
) -> None:
    token = client.issuer.access()
    await client.redis.hset("gateway:limits", "codes", "1/3600")
    await eventually(lambda: _limited(client))
    await with_account(client)
    assert (await client.post("/v1/referral/codes", token, json={})).status == 201
    refused = await client.post("/v1/referral/codes", token, json={}, headers=KEY)
    assert refused.status == 429
    assert await client.redis.keys("cla*") == []
    invalid = await client.post("/v1/referral/codes", token, json={"a": 1}, headers=KEY)
    assert invalid.status in (422, 429)
    assert await client.redis.keys("cla*") == []


async def _limited(client: GatewayClient) -> bool:
    return client.gateway.dependencies.limiter.table["codes"].quantity == 1


async def test_an_invalid_body_is_charged_and_does_not_use_its_key(client: GatewayClient) -> None:
    await with_account(client)
    invalid = await invite(client, {"email": "no address"})
    assert invalid.status == 422
    assert '"invites";r=9' in invalid.headers["RateLimit"]
    assert (await invite(client)).status == 202


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"note":"See you!","email":"bob@example.org"}', "application/json"),
        ('{ "email": "Bob@Example.org", "note": "See you!", "locale": "en" }', "application/json"),
    ],
)
async def test_spellings_of_one_body_are_one_request(
    client: GatewayClient, body: str, content_type: str
) -> None:
    await with_account(client)
    first = await invite(client)
    token, headers = client.issuer.access(), KEY | {"Content-Type": content_type}
    again = await client.post("/v1/invites", token, data=body, headers=headers)
    assert again.body == first.body


async def test_a_key_at_another_path_is_rejected(client: GatewayClient) -> None:
    code, token = await with_account(client), client.issuer.access()
    assert (await client.post("/v1/referral/codes", token, json={}, headers=KEY)).status == 201
    for path in (f"/v1/referral/codes/{code}/rotate", f"/v1/invites/{'0' * 32}/resend"):
        other = await client.post(path, token, headers=KEY)
        assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")


def test_every_refusal_of_a_service_is_either_passing_or_final() -> None:
    """A keyword `code="…"` in a service's domain names a refusal, except in a report's `Limit`."""
    codes = {"too_large", "discarded", "taken", *get_args(RowCode)}
    for service in SERVICES:
        for path in Path("services", service).rglob("*.py"):
            codes |= {
                word.value.value
                for call in ast.walk(ast.parse(path.read_text()))
                if isinstance(call, ast.Call) and ast.unparse(call.func) != "Limit"
                for word in call.keywords
                if word.arg == "code" and isinstance(word.value, ast.Constant)
                if isinstance(word.value.value, str)
            }
    codes = {code for code in codes if code.islower()}
    assert codes - TO_ITSELF - PASSING.keys() - FINAL == set()
    assert not PASSING.keys() & FINAL


def test_every_refusal_that_a_caller_can_get_is_documented() -> None:
    pages = "".join(page.read_text() for page in (OVERVIEW, *RESOURCES))
    codes = (PASSING.keys() | FINAL) - IMPOSSIBLE
    assert {code for code in codes if f"`{code}`" not in pages} == set()


CREATED = Response(201, b"created")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "store", "release", "refuse", "unsent", "crash"]),
        st.sampled_from(["a", "b"]),
    ),
    max_size=30,
)


class _Key:
    """A model of one key: who holds its claim, and what it was used for."""

    def __init__(self, redis: Redis) -> None:
        self.responses = StoredResponses(redis)
        self.redis = redis
        self.held: Claim | None = None
        self.request: str | None = None
        self.sent = False
        self.stored = False

    async def begin(self, request: str) -> None:
        fingerprint = request * 32
        try:
            begun = await self.responses.begin(COMMAND_ID, fingerprint)
        except KeyReused:
            assert self.request not in (None, request)
            return
        except KeyInUse:
            assert self.held is not None
            assert self.request == request
            return
        assert self.request in (None, request)
        if isinstance(begun, StoredResponse):
            assert self.stored
            assert begun.response.body == CREATED.body
            return
        assert self.held is None
        assert not self.stored
        assert begun.repeated == self.sent
        self.held, self.request = begun, request

    async def end(self, how: str) -> None:
        claim, self.held = self.held, None
        if claim is None:
            return
        match how:
            case "store":
                await self.responses.store(claim, "digest", CREATED)
                self.stored = self.sent = True
            case "release":
                await self.responses.release(claim)
                self.sent = True
            case "refuse":
                await self.responses.release_refused(claim)
                self.sent = False
            case "unsent":
                await self.responses.release(claim, sent=False)
                self.request = self.request if self.sent else None
            case _:  # a crash
                await self.redis.delete(f"claim:{{{COMMAND_ID}}}")
                self.sent = True


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_interleaving_leaves_one_key_to_one_request(
    redis_server: RedisServer, steps: list[tuple[str, str]]
) -> None:
    async def run() -> None:
        async with connect(redis_server.url) as redis:
            await redis.flushall()
            key = _Key(redis)
            for step, request in steps:
                await (key.begin(request) if step == "begin" else key.end(step))

    with mock.patch.object(idempotency, "_LEASE", 3_600_000):  # no claim lapses by itself
        asyncio.run(run())


async def test_concurrent_requests_of_two_gateways_with_one_key_are_one_command(
    gateways: Gateways,
) -> None:
    """Two requests under one key race on two gateways, with both bodies and several waits."""
    one, other = await gateways.open(), await gateways.open()
    codes = [await with_account(one, sub) for sub in (ALICE, BOB)]
    for turn in range(4):
        headers = {"Idempotency-Key": f"race-{turn}"}

        async def use(client: GatewayClient, code: str, prefer: str) -> Reply:
            body = {"referralCode": code, "user": f"person{turn}@example.org"}  # noqa: B023
            sent = headers | {"Prefer": prefer}  # noqa: B023
            return await client.post(
                "/v1/referral/uses", one.issuer.program(), json=body, headers=sent
            )

        one.bus.forget_sent()
        waits = ("respond-async", "wait=1", "wait=5")
        replies = await asyncio.gather(
            *(
                use(client, codes[(turn + place) % 2], waits[place % 3])
                for place, client in enumerate((one, other, one, other))
            )
        )
        statuses = sorted(reply.status for reply in replies)
        streams = {sent.group_id for sent in one.bus.sent}
        assert len(streams) == 1, (turn, statuses)
        assert set(statuses) <= {201, 202, 409, 422}
        assert 422 in statuses
