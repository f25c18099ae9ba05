import asyncio
import time
import uuid
from collections.abc import Sequence

import pytest
from multidict import istr
from redis.asyncio import Redis

from contracts.referrals import OpenAccount
from gateway.http import idempotency as answers_of
from gateway.http.ids import keyed_command_id
from gateway.http.responses import Response
from tests.gateway.conftest import Door, Doors, Reply
from tests.gateway.world import ALICE
from tests.support.eventually import eventually

BOB = "b0b00000-0000-4000-8000-000000000b0b"
TOKEN = "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"
KEYED = {"Idempotency-Key": "key-0001"}
COMMAND_ID = keyed_command_id(ALICE, "key-0001")
CLAIM = f"claim:{{{COMMAND_ID}}}"


def same(first: Reply, second: Reply) -> bool:
    kept = ("Location", "X-Position", "ETag", "Content-Type")
    return (first.status, first.body) == (second.status, second.body) and all(
        first.headers.get(name) == second.headers.get(name) for name in kept
    )


async def test_a_repeated_key_gets_the_same_answer_and_sends_nothing(door: Door) -> None:
    first = await door.post("/v1/me", door.issuer.id(), headers=KEYED)
    second = await door.post("/v1/me", door.issuer.id(), headers=KEYED)
    assert first.status == 201
    assert same(first, second)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(door.bus.sent) == 1


async def test_a_refusal_is_repeated_as_well(door: Door) -> None:
    await door.post("/v1/me", door.issuer.id())
    first = await door.post("/v1/me", door.issuer.id(), headers=KEYED)
    second = await door.post("/v1/me", door.issuer.id(), headers=KEYED)
    assert first.status == 409
    assert same(first, second)


async def test_quoted_and_bare_are_the_same_key(door: Door) -> None:
    first = await door.post("/v1/me", door.issuer.id(), headers=KEYED)
    quoted = {"Idempotency-Key": '"key-0001"'}
    assert same(first, await door.post("/v1/me", door.issuer.id(), headers=quoted))


async def test_the_answer_outlives_the_gateway(doors: Doors) -> None:
    one, other = await doors.open(), await doors.open()
    first = await one.post("/v1/me", one.issuer.id(), headers=KEYED)
    assert same(first, await other.post("/v1/me", other.issuer.id(), headers=KEYED))
    assert len(doors.bus.sent) == 1


async def test_an_answer_is_kept_with_headers_of_any_spelling(redis: Redis) -> None:
    """Names that were made to compare in any case are texts like all others."""
    answers = answers_of.StoredResponses(redis)
    claim = answers_of.Claim(COMMAND_ID, "digest", "digest:token")
    await answers.end(claim, Response(201, b"body", {istr("ETag"): '"1"', "Location": "/v1/me"}))
    kept = await answers.begin(COMMAND_ID, "digest")
    assert isinstance(kept, Response)
    assert (kept.status, kept.body, kept.headers["ETag"]) == (201, b"body", '"1"')


async def test_an_outcome_without_a_kept_answer_is_answered(door: Door, redis: Redis) -> None:
    first = await door.post("/v1/me", door.issuer.id(), headers=KEYED)
    await redis.delete(*await redis.keys("answer:*"))
    second = await door.post("/v1/me", door.issuer.id(), headers=KEYED)
    assert same(first, second)
    assert len(door.bus.sent) == 1


async def test_a_key_with_another_body_is_refused(door: Door) -> None:
    program = door.issuer.program()
    body = {"sub": ALICE, "user": "alice@example.com"}
    assert (await door.post("/v1/users", program, json=body, headers=KEYED)).status == 201
    other = {"sub": ALICE, "user": "mallory@example.com"}
    again = await door.post("/v1/users", program, json=other, headers=KEYED)
    assert (again.status, again.json["code"]) == (422, "idempotency_key_reused")
    assert len(door.bus.sent) == 1


async def test_a_key_belongs_to_its_caller(door: Door) -> None:
    first = await door.post("/v1/me", door.issuer.id(), headers=KEYED)
    other = await door.post("/v1/me", door.issuer.id(BOB), headers=KEYED)
    assert (first.status, other.status) == (201, 201)
    assert other.json["referralCode"] != first.json["referralCode"]


async def test_a_key_in_use_is_told(door: Door) -> None:
    door.bus.held = True
    first = asyncio.create_task(door.post("/v1/me", door.issuer.id(), headers=KEYED))

    async def sent() -> bool:
        return bool(door.bus.sent)

    await eventually(sent)
    second = await door.post("/v1/me", door.issuer.id(), headers=KEYED)
    assert (second.status, second.json["code"]) == (409, "idempotency_key_in_use")
    assert second.headers["Retry-After"] == "1"
    door.bus.release()
    assert (await first).status == 201
    assert same(await first, await door.post("/v1/me", door.issuer.id(), headers=KEYED))


async def test_a_key_is_in_use_for_as_long_as_its_request(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers_of, "_LEASE", 300)
    monkeypatch.setattr(answers_of, "RENEW_SECONDS", 0.05)
    door.bus.held = True
    headers = {**KEYED, "Prefer": "wait=20"}
    first = asyncio.create_task(door.post("/v1/me", door.issuer.id(), headers=headers))
    await eventually(lambda: anything(door.bus.sent))
    end = time.monotonic() + 0.9  # three leases
    while time.monotonic() < end:
        assert await door.redis.exists(CLAIM)
    assert (await door.post("/v1/me", door.issuer.id(), headers=KEYED)).status == 409
    door.bus.release()
    assert (await first).status == 201


async def anything(seen: Sequence[object]) -> bool:
    return bool(seen)


async def test_a_gateway_that_was_killed_holds_a_key_for_its_lease_only(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers_of, "_LEASE", 300)
    command = OpenAccount(member_id=ALICE, email=f"{ALICE[-8:]}@example.com", network="127.0.0.1")
    await door.gateway.dependencies.commands.responses.begin(COMMAND_ID, command.body_hash)
    assert (await door.post("/v1/me", door.issuer.id(), headers=KEYED)).status == 409

    async def lapsed() -> bool:
        return not await door.redis.exists(CLAIM)

    await eventually(lapsed, seconds=5)
    assert (await door.post("/v1/me", door.issuer.id(), headers=KEYED)).status == 201


async def test_ten_at_once_with_one_key_make_one_account(door: Door) -> None:
    token = door.issuer.id()
    answers = await asyncio.gather(*(door.post("/v1/me", token, headers=KEYED) for _ in range(10)))
    assert {answer.status for answer in answers} <= {201, 409}
    created = [answer for answer in answers if answer.status == 201]
    assert len({answer.body for answer in created}) == 1
    assert len(door.bus.sent) == 1


@pytest.mark.parametrize(
    "key", ['""', "", "a b", "x" * 256, '"' + "x" * 256 + '"', '"abc', 'a"b', "ä", "a\tb"]
)
async def test_a_bad_key_is_refused(key: str, door: Door) -> None:
    answer = await door.post("/v1/me", door.issuer.id(), headers={"Idempotency-Key": key})
    assert (answer.status, answer.json["code"]) == (400, "invalid_idempotency_key")
    assert door.bus.sent == []


@pytest.mark.parametrize(
    "key", ["x" * 255, '"a b"', '"a\\"b"', "7", "2754c4a9-9537-47f2-abd0-b5da16fa6f3f"]
)
async def test_a_good_key_is_taken(key: str, door: Door) -> None:
    answer = await door.post("/v1/me", door.issuer.id(), headers={"Idempotency-Key": key})
    assert answer.status == 201


async def test_who_will_not_wait_is_told_where_to_look(door: Door) -> None:
    headers = {"Prefer": "respond-async"}
    answer = await door.post("/v1/me", door.issuer.id(), headers=headers)
    assert (answer.status, answer.json["status_code"]) == (202, 202)
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Preference-Applied"] == "respond-async"
    where = answer.headers["Location"]

    async def done() -> Reply | None:
        look = await door.get(where, door.issuer.access())
        return look if look.status == 200 else None

    look = await eventually(done)
    assert look is not None
    assert look.json["state"] == "accepted"
    assert look.json["position"] == {"stream": f"member-{ALICE}", "version": 2}


async def test_an_operation_is_its_senders_business_alone(door: Door) -> None:
    door.bus.held = True
    headers = {"Prefer": "respond-async"}
    where = (await door.post("/v1/me", door.issuer.id(), headers=headers)).headers["Location"]
    assert (await door.get(where, door.issuer.access())).status == 202
    assert (await door.get(where, door.issuer.access(BOB))).status == 404
    door.bus.release()

    async def done() -> bool:
        return (await door.get(where, door.issuer.access())).status == 200

    await eventually(done)
    assert (await door.get(where, door.issuer.access(BOB))).status == 404
    unknown = f"/v1/operations/{uuid.uuid4()}"
    assert (await door.get(unknown, door.issuer.access())).status == 404


async def test_a_slow_service_makes_it_a_202_and_a_repetition_gets_the_outcome(door: Door) -> None:
    door.bus.held = True
    headers = KEYED | {"Prefer": "wait=0"}
    first = await door.post("/v1/me", door.issuer.id(), headers=headers)
    assert first.status == 202
    door.bus.release()

    async def done() -> bool:
        return (await door.get(first.headers["Location"], door.issuer.access())).status == 200

    await eventually(done)
    again = await door.post("/v1/me", door.issuer.id(), headers=KEYED)
    assert again.status == 201
    assert len(door.bus.sent) == 1


async def test_a_wait_is_as_long_as_wished(doors: Doors) -> None:
    door = await doors.open(outcome_wait_seconds=0.01)
    door.bus.held = True
    waiting = asyncio.create_task(
        door.post("/v1/me", door.issuer.id(), headers={"Prefer": "wait=20"})
    )

    async def sent() -> bool:
        return bool(door.bus.sent)

    await eventually(sent)
    door.bus.release()
    answer = await waiting
    assert answer.status == 201
    assert answer.headers["Preference-Applied"] == "wait=20"


async def test_a_program_opens_accounts_for_others(door: Door) -> None:
    body = {"sub": BOB, "user": "Bob@Example.com"}
    answer = await door.post("/v1/users", door.issuer.program(), json=body)
    assert (answer.status, answer.json["user"]) == (201, "bob@example.com")
    assert (await door.get("/v1/me", door.issuer.access(BOB))).body == answer.body
    again = await door.post("/v1/users", door.issuer.program(), json=body)
    assert (again.status, again.json["code"]) == (409, "account_exists")


async def test_a_person_does_not_see_what_programs_may(door: Door) -> None:
    body = {"sub": BOB, "user": "bob@example.com"}
    assert (await door.post("/v1/users", door.issuer.access(), json=body)).status == 404
    for scope in ("other/scope", None):
        assert (
            await door.post("/v1/users", door.issuer.program(scope=scope), json=body)
        ).status == 404
    assert (await door.get("/v1/me", door.issuer.program())).status == 404
    assert door.bus.sent == []


async def test_what_services_cannot_do_yet_is_said_honestly(door: Door) -> None:
    token = door.issuer.access()
    refresh = await door.post(f"/v1/tokens/cluster/base/{TOKEN}/refresh", token)
    assert refresh.status == 501
    assert refresh.json["detail"]
    invite = await door.post("/v1/invites", token, json={"email": "bob@example.com"})
    assert (invite.status, invite.json["code"]) == (409, "no_account")
    queues = [sent.queue for sent in door.bus.sent]
    assert queues == ["test-compute-commands.fifo", "test-invites-commands.fifo"]
    assert door.bus.sent[0].body["tokenAddress"] == TOKEN.lower()
    assert door.bus.sent[0].body["chainId"] == 8453


@pytest.mark.parametrize("chain", ["ethereum", "Ethereum", "1", "eip155:1"])
async def test_a_chain_has_several_names(chain: str, door: Door) -> None:
    await door.post(f"/v1/tokens/cluster/{chain}/{TOKEN}/refresh", door.issuer.access())
    assert door.bus.sent[0].body["chainId"] == 1


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
async def test_a_bad_chain_or_address_goes_nowhere(path: str, code: str, door: Door) -> None:
    answer = await door.post(f"/v1/tokens/cluster/{path}/refresh", door.issuer.access())
    assert (answer.status, answer.json["code"]) == (400, code)
    assert door.bus.sent == []


async def test_a_bus_that_is_down_is_told(door: Door) -> None:
    door.bus.down = True
    answer = await door.post("/v1/me", door.issuer.id(), headers=KEYED)
    assert (answer.status, answer.json["code"]) == (503, "bus_unavailable")
    door.bus.down = False
    assert (await door.post("/v1/me", door.issuer.id(), headers=KEYED)).status == 201
