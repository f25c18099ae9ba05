"""A repeated request gets its true answer at once, also when Redis has lost the first one."""

import asyncio
import json
import time
import uuid
from typing import Any

import pytest

from gateway.http.redis_losses import KEY as LOSSES
from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.environment import ALICE
from tests.gateway.test_commands import COMMAND_ID, KEYED
from tests.support.eventually import eventually
from tests.support.services import build_read_models

OPEN, REFUSED, CODE = ({"Idempotency-Key": f"key-{name}"} for name in ("open", "refused", "code"))


async def _lose_redis(client: GatewayClient) -> None:
    await client.bus.settle()
    await client.redis.flushall()
    for service in client.bus.services.running.values():
        await build_read_models(service.application)

    async def ready() -> bool:
        return not await client.gateway.health.failing()

    await eventually(ready)


async def test_repeated_requests_are_answered_at_once_after_redis_has_lost_their_outcomes(
    client: GatewayClient,
) -> None:
    access = client.issuer.access()
    requests = [
        ("/v1/me", client.issuer.id(), OPEN, None),
        ("/v1/me", client.issuer.id(), REFUSED, None),
        ("/v1/referral/codes", access, CODE, {"kind": "random"}),
    ]

    async def send_all() -> list[int]:
        return [
            (await client.post(path, token, headers=key, json=body)).status
            for path, token, key, body in requests
        ]

    assert await send_all() == [201, 409, 201]
    await _lose_redis(client)
    assert await send_all() == [201, 409, 201]
    assert [len(commits) for commits in _accounts(client)] == [2]


def _accounts(client: GatewayClient) -> list[list[Any]]:
    streams = client.bus.stores["referrals"].streams
    return [list(commits) for stream, commits in streams.items() if stream == f"member-{ALICE}"]


async def test_a_repetition_after_an_unstored_answer_is_decided_once(
    client: GatewayClient,
) -> None:
    """The first refusal stays, although the command would be accepted by now."""
    body = {"kind": "random"}
    access = client.issuer.access()
    client.bus.held = True
    first = await client.post(
        "/v1/referral/codes", access, headers=CODE | {"Prefer": "wait=0"}, json=body
    )
    again = await client.post(
        "/v1/referral/codes", access, headers=CODE | {"Prefer": "wait=0"}, json=body
    )
    assert (first.status, again.status) == (202, 202)
    sent = list(client.bus.memory.waiting)
    assert ["repeated" in each.headers for each in sent] == [False, True]
    client.bus.memory.waiting.clear()
    client.bus.held = False
    await client.bus.memory.deliver(sent[0])  # refused: there is no account
    await client.post("/v1/me", client.issuer.id())
    await client.bus.memory.deliver(sent[1])
    operation = await client.get(first.headers["Location"], access)
    assert operation.json["state"] == "rejected"
    assert [len(commits) for commits in _accounts(client)] == [1]


async def test_two_requests_with_one_key_on_two_gateways_get_one_answer(
    gateways: Gateways,
) -> None:
    one, other = await gateways.open(), await gateways.open()
    token = one.issuer.id()
    replies = await asyncio.gather(
        *(client.post("/v1/me", token, headers=KEYED) for client in (one, other))
    )
    final = [
        await client.post("/v1/me", token, headers=KEYED) if reply.status == 409 else reply
        for client, reply in zip((one, other), replies, strict=True)
    ]
    assert {reply.status for reply in final} == {201}
    assert len({reply.body for reply in final}) == 1
    assert [len(commits) for commits in _accounts(one)] == [1]


@pytest.mark.parametrize("change", [{"state": "postponed"}, {"position": "@7"}, {"command": 7}])
async def test_an_outcome_of_a_newer_service_is_not_known_yet(
    change: dict[str, object], gateways: Gateways
) -> None:
    client = await gateways.open(outcome_wait_seconds=0.01)
    client.bus.held = True
    sent = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    assert sent.status == 202
    stored = {
        "commandId": COMMAND_ID,
        "command": "OpenAccount",
        "bodyHash": "x",
        "state": "accepted",
        "position": {"stream": f"member-{ALICE}", "version": 1},
        "actor": ALICE,
    }
    await client.redis.set(f"outcome:{COMMAND_ID}", json.dumps(stored | change))
    operation = await client.get(sent.headers["Location"], client.issuer.access())
    assert (operation.status, operation.json["code"]) == (202, "accepted")
    again = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    assert (again.status, again.json["code"]) == (202, "accepted")


async def test_an_operation_that_redis_has_lost_is_not_reported_as_unknown(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = client.issuer.access()
    headers = KEYED | {"Prefer": "respond-async"}
    sent = await client.post("/v1/me", client.issuer.id(), headers=headers)
    where = sent.headers["Location"]

    async def done() -> bool:
        return (await client.get(where, access)).status == 200

    await eventually(done)
    await _lose_redis(client)
    lost = await client.get(where, access)
    assert (lost.status, lost.json["code"]) == (503, "outcome_lost")
    assert "Idempotency-Key" in lost.json["detail"]
    assert lost.headers["Retry-After"]
    again = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    assert again.status == 201
    assert (await client.get(where, access)).json["state"] == "accepted"
    unknown = f"/v1/operations/{uuid.uuid4()}"
    assert (await client.get(unknown, access)).status == 503
    for impossible in ("undefined", "0" * 32, str(uuid.uuid4()).upper(), f"{uuid.uuid4()}a"):
        assert (await client.get(f"/v1/operations/{impossible}", access)).status == 404
    losses = client.gateway.dependencies.commands.losses
    monkeypatch.setattr(losses, "clock", lambda: time.time() + 3_700)
    assert (await client.get(unknown, access)).status == 404


async def test_an_operation_whose_outcome_alone_is_lost_does_not_stay_pending(
    client: GatewayClient,
) -> None:
    """As after a failover to a replica that has the mark of the request, but not the outcome."""
    access = client.issuer.access()
    headers = KEYED | {"Prefer": "respond-async"}
    where = (await client.post("/v1/me", client.issuer.id(), headers=headers)).headers["Location"]

    async def done() -> bool:
        return (await client.get(where, access)).status == 200

    await eventually(done)
    await client.redis.delete(f"outcome:{COMMAND_ID}")
    await client.redis.delete(LOSSES)
    await client.redis.expire(f"operation:{COMMAND_ID}", 24 * 3600 - 60)  # sent a minute ago
    await client.gateway.dependencies.commands.losses.look()
    assert (await client.get(where, access)).status == 503
    again = await client.post("/v1/me", client.issuer.id(), headers=KEYED)
    assert again.status == 201


async def test_an_operation_without_an_outcome_ends_as_unknown_after_an_hour(
    client: GatewayClient,
) -> None:
    """Otherwise a client polls until the operation is forgotten."""
    client.bus.held = True
    access, headers = client.issuer.access(), KEYED | {"Prefer": "respond-async"}
    where = (await client.post("/v1/me", client.issuer.id(), headers=headers)).headers["Location"]
    assert (await client.get(where, access)).status == 202
    await client.redis.expire(f"operation:{COMMAND_ID}", 23 * 3600 - 1)
    unknown = await client.get(where, access)
    assert (unknown.status, unknown.json["state"]) == (200, "unknown")
    assert (await client.get(where, client.issuer.access(str(uuid.uuid4())))).status == 404
    client.bus.release()

    async def accepted() -> bool:
        operation = await client.get(where, access)
        return bool(operation.json["state"] == "accepted")

    await eventually(accepted)
    for key in (f"operation:{COMMAND_ID}", f"outcome:{COMMAND_ID}"):
        await client.redis.delete(key)
    assert (await client.get(where, access)).status == 404
