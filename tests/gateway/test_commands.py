import asyncio
import uuid
from collections.abc import Sequence

import pytest
from multidict import istr
from redis.asyncio import Redis

from gateway.http import idempotency as answers_of
from gateway.http.ids import keyed_command_id
from gateway.http.keyed_requests import fingerprint
from gateway.http.responses import Response
from tests.gateway.conftest import GatewayClient, Gateways, Reply
from tests.gateway.environment import ALICE
from tests.support.eventually import eventually

BOB = "b0b00000-0000-4000-8000-000000000b0b"
TOKEN = "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"
KEYED = {"Idempotency-Key": "key-0001"}
COMMAND_ID = keyed_command_id(ALICE, "key-0001")
CLAIM = f"claim:{{{COMMAND_ID}}}"
LONG_LEASE = 60_000
"""Milliseconds of a lease that does not end by itself, however slow the machine is."""


def same(first: Reply, second: Reply) -> bool:
    kept = ("Location", "X-Position", "ETag", "Content-Type")
    return (first.status, first.body) == (second.status, second.body) and all(
        first.headers.get(name) == second.headers.get(name) for name in kept
    )


async def test_a_repeated_key_receives_the_same_response_and_sends_nothing(
    client: GatewayClient,
) -> None:
    first = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    second = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    assert first.status == 201
    assert same(first, second)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(client.bus.sent) == 1


async def test_a_repeated_key_receives_the_same_rejection(client: GatewayClient) -> None:
    await client.post("/v1/me", client.issuer.id())
    first = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    second = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    assert first.status == 409
    assert same(first, second)


async def test_a_key_is_the_same_with_and_without_quotes(client: GatewayClient) -> None:
    first = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    quoted = {"Idempotency-Key": '"key-0001"'}
    assert same(first, await client.post("/v1/me", client.issuer.id(), headers=quoted))


async def test_a_stored_response_outlives_the_gateway(gateways: Gateways) -> None:
    one, other = await gateways.open(), await gateways.open()
    first = await one.post("/v1/me", one.issuer.id(), headers=KEYED)
    assert same(first, await other.post("/v1/me", other.issuer.id(), headers=KEYED))
    assert len(gateways.bus.sent) == 1


async def test_a_response_is_stored_with_case_insensitive_headers(redis: Redis) -> None:
    """`istr` names are stored like other strings."""
    answers = answers_of.StoredResponses(redis)
    claim = await answers.begin(COMMAND_ID, "request")
    assert isinstance(claim, answers_of.Claim)
    created = Response(201, b"body", {istr("ETag"): '"1"', "Location": "/v1/me"})
    await answers.store(claim, "command", created)
    stored = await answers.begin(COMMAND_ID, "request")
    assert isinstance(stored, answers_of.StoredResponse)
    assert stored.fits_request
    kept = stored.response
    assert (kept.status, kept.body, kept.headers["ETag"]) == (201, b"body", '"1"')


async def test_an_outcome_without_a_stored_response_is_answered_again(
    client: GatewayClient, redis: Redis
) -> None:
    first = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    await redis.delete(*await redis.keys("answer:*"))
    second = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    assert same(first, second)
    assert len(client.bus.sent) == 1


async def test_a_key_with_another_body_is_rejected(client: GatewayClient) -> None:
    program = client.issuer.program()
    body = {"sub": ALICE, "user": "alice@example.com"}
    assert (await client.post("/v1/users", program, json=body, headers=KEYED)).status == 201
    other = {"sub": ALICE, "user": "mallory@example.com"}
    again = await client.post("/v1/users", program, json=other, headers=KEYED)
    assert (again.status, again.json["code"]) == (422, "idempotency_key_reused")
    assert len(client.bus.sent) == 1


async def test_a_key_belongs_to_its_caller(client: GatewayClient) -> None:
    first = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    other = await client.post("/v1/me", client.issuer.id(BOB), headers=KEYED)
    assert (first.status, other.status) == (201, 201)
    assert other.json["referralCode"] != first.json["referralCode"]


async def test_a_key_in_use_answers_409(client: GatewayClient) -> None:
    client.bus.held = True
    first = asyncio.create_task(client.post("/v1/me", client.issuer.id(), headers=KEYED))

    async def sent() -> bool:
        return bool(client.bus.sent)

    await eventually(sent)
    second = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    assert (second.status, second.json["code"]) == (409, "idempotency_key_in_use")
    assert second.headers["Retry-After"] == "1"
    client.bus.release()
    assert (await first).status == 201
    assert same(await first, await client.post("/v1/me", client.issuer.id(), headers=KEYED))


async def test_a_claim_is_renewed_while_its_request_runs(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers_of, "_LEASE", LONG_LEASE)
    monkeypatch.setattr(answers_of, "RENEW_SECONDS", 0.01)
    client.bus.held = True
    headers = {**KEYED, "Prefer": "wait=20"}
    first = asyncio.create_task(client.post("/v1/me", client.issuer.id(), headers=headers))
    await eventually(lambda: anything(client.bus.sent))

    async def renewed() -> bool:
        return await client.redis.pttl(CLAIM) > LONG_LEASE / 2

    for _ in range(3):
        assert await client.redis.pexpire(CLAIM, LONG_LEASE // 2)  # half of the lease has passed
        await eventually(renewed)
    assert (await client.post("/v1/me", client.issuer.id(), headers=KEYED)).status == 409
    client.bus.release()
    assert (await first).status == 201


async def anything(seen: Sequence[object]) -> bool:
    return bool(seen)


async def test_the_claim_of_a_killed_gateway_lapses(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers_of, "_LEASE", LONG_LEASE)
    request = fingerprint("open_own_account", {}, b"{}")
    await client.gateway.dependencies.keyed_requests.responses.begin(COMMAND_ID, request)
    assert (await client.post("/v1/me", client.issuer.id(), headers=KEYED)).status == 409
    assert 0 < await client.redis.pttl(CLAIM) <= LONG_LEASE
    await client.redis.pexpire(CLAIM, 1)  # the lease has passed

    async def lapsed() -> bool:
        return not await client.redis.exists(CLAIM)

    await eventually(lapsed)
    assert (await client.post("/v1/me", client.issuer.id(), headers=KEYED)).status == 201


async def test_ten_concurrent_requests_with_one_key_open_one_account(client: GatewayClient) -> None:
    token = client.issuer.id()
    answers = await asyncio.gather(
        *(client.post("/v1/me", token, headers=KEYED) for _ in range(10))
    )
    assert {response.status for response in answers} <= {201, 409}
    created = [response for response in answers if response.status == 201]
    assert len({response.body for response in created}) == 1
    assert len(client.bus.sent) == 1


@pytest.mark.parametrize(
    "key", ['""', "", "a b", "x" * 256, '"' + "x" * 256 + '"', '"abc', 'a"b', "ä", "a\tb"]
)
async def test_an_invalid_key_is_rejected(key: str, client: GatewayClient) -> None:
    response = await client.post("/v1/me", client.issuer.id(), headers={"Idempotency-Key": key})
    assert (response.status, response.json["code"]) == (400, "invalid_idempotency_key")
    assert client.bus.sent == []


@pytest.mark.parametrize(
    "key", ["x" * 255, '"a b"', '"a\\"b"', "7", "2754c4a9-9537-47f2-abd0-b5da16fa6f3f"]
)
async def test_a_valid_key_is_accepted(key: str, client: GatewayClient) -> None:
    response = await client.post("/v1/me", client.issuer.id(), headers={"Idempotency-Key": key})
    assert response.status == 201


async def test_respond_async_answers_202_with_the_operation(client: GatewayClient) -> None:
    headers = {"Prefer": "respond-async"}
    response = await client.post("/v1/me", client.issuer.id(), headers=headers)
    assert (response.status, response.json["status_code"]) == (202, 202)
    assert response.headers["Retry-After"] == "1"
    assert response.headers["Preference-Applied"] == "respond-async"
    where = response.headers["Location"]

    async def done() -> Reply | None:
        look = await client.get(where, client.issuer.access())
        return look if look.status == 200 else None

    look = await eventually(done)
    assert look is not None
    assert look.json["state"] == "accepted"
    assert look.json["position"] == {"stream": f"member-{ALICE}", "version": 2}


async def test_an_operation_is_visible_to_its_sender_only(client: GatewayClient) -> None:
    client.bus.held = True
    headers = {"Prefer": "respond-async"}
    where = (await client.post("/v1/me", client.issuer.id(), headers=headers)).headers["Location"]
    assert (await client.get(where, client.issuer.access())).status == 202
    assert (await client.get(where, client.issuer.access(BOB))).status == 404
    client.bus.release()

    async def done() -> bool:
        return (await client.get(where, client.issuer.access())).status == 200

    await eventually(done)
    assert (await client.get(where, client.issuer.access(BOB))).status == 404
    unknown = f"/v1/operations/{uuid.uuid4()}"
    assert (await client.get(unknown, client.issuer.access())).status == 404


async def test_a_slow_service_answers_202_and_a_repetition_receives_the_outcome(
    client: GatewayClient,
) -> None:
    client.bus.held = True
    headers = KEYED | {"Prefer": "wait=0"}
    first = await client.post("/v1/me", client.issuer.id(), headers=headers)
    assert first.status == 202
    client.bus.release()

    async def done() -> bool:
        return (await client.get(first.headers["Location"], client.issuer.access())).status == 200

    await eventually(done)
    again = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    assert again.status == 201
    assert len(client.bus.sent) == 1


async def test_prefer_wait_sets_the_time_to_wait(gateways: Gateways) -> None:
    client = await gateways.open(outcome_wait_seconds=0.01)
    client.bus.held = True
    waiting = asyncio.create_task(
        client.post("/v1/me", client.issuer.id(), headers={"Prefer": "wait=20"})
    )

    async def sent() -> bool:
        return bool(client.bus.sent)

    await eventually(sent)
    client.bus.release()
    response = await waiting
    assert response.status == 201
    assert response.headers["Preference-Applied"] == "wait=20"


async def test_a_program_opens_accounts_for_others(client: GatewayClient) -> None:
    body = {"sub": BOB, "user": "Bob@Example.com"}
    response = await client.post("/v1/users", client.issuer.program(), json=body)
    assert (response.status, response.json["user"]) == (201, "bob@example.com")
    assert (await client.get("/v1/me", client.issuer.access(BOB))).body == response.body
    again = await client.post("/v1/users", client.issuer.program(), json=body)
    assert (again.status, again.json["code"]) == (409, "account_exists")


async def test_routes_for_programs_are_hidden_from_people(client: GatewayClient) -> None:
    body = {"sub": BOB, "user": "bob@example.com"}
    assert (await client.post("/v1/users", client.issuer.access(), json=body)).status == 404
    for scope in ("other/scope", None):
        assert (
            await client.post("/v1/users", client.issuer.program(scope=scope), json=body)
        ).status == 404
    assert (await client.get("/v1/me", client.issuer.program())).status == 404
    assert client.bus.sent == []


async def test_a_rejection_of_a_service_becomes_a_problem(client: GatewayClient) -> None:
    token = client.issuer.access()
    refresh = await client.post(f"/v1/tokens/cluster/base/{TOKEN}/refresh", token)
    assert refresh.status == 501
    assert refresh.json["detail"]
    invite = await client.post("/v1/invites", token, json={"email": "bob@example.com"})
    assert (invite.status, invite.json["code"]) == (404, "no_account")
    queues = [sent.queue for sent in client.bus.sent]
    assert queues == ["test-compute-commands.fifo", "test-invites-commands.fifo"]
    assert client.bus.sent[0].body["tokenAddress"] == TOKEN.lower()
    assert client.bus.sent[0].body["chainId"] == 8453


@pytest.mark.parametrize("chain", ["ethereum", "Ethereum", "1", "eip155:1"])
async def test_a_chain_has_several_names(chain: str, client: GatewayClient) -> None:
    await client.post(f"/v1/tokens/cluster/{chain}/{TOKEN}/refresh", client.issuer.access())
    assert client.bus.sent[0].body["chainId"] == 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"dogechain/{TOKEN}", "unknown_chain"),
        (f"0/{TOKEN}", "unknown_chain"),
        (f"01/{TOKEN}", "unknown_chain"),
        (f"-1/{TOKEN}", "unknown_chain"),
        (f"99999/{TOKEN}", "unknown_chain"),
        ("ethereum/0x12", "invalid_address"),
        (f"ethereum/{TOKEN}0", "invalid_address"),
        (f"ethereum/{TOKEN[2:]}", "invalid_address"),
        ("ethereum/0x" + "g" * 40, "invalid_address"),
    ],
)
async def test_an_invalid_chain_or_address_sends_no_command(
    path: str, code: str, client: GatewayClient
) -> None:
    response = await client.post(f"/v1/tokens/cluster/{path}/refresh", client.issuer.access())
    assert (response.status, response.json["code"]) == (400, code)
    assert client.bus.sent == []


async def test_an_unavailable_bus_answers_503(client: GatewayClient) -> None:
    client.bus.down = True
    response = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    assert (response.status, response.json["code"]) == (503, "bus_unavailable")
    client.bus.down = False
    assert (await client.post("/v1/me", client.issuer.id(), headers=KEYED)).status == 201
