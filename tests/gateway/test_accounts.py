import asyncio
from typing import Any
from uuid import uuid4

import pytest

from contracts.messages import Metadata
from contracts.referral_code import normalise
from contracts.referrals import INLINE_REFERRALS, GrantQuota, ReferralReserved, ReserveReferral
from gateway.http import own_documents
from tests.gateway.conftest import GatewayClient
from tests.gateway.environment import ALICE


async def test_a_signed_in_person_opens_an_account(client: GatewayClient) -> None:
    response = await client.post("/v1/me", client.issuer.id())
    assert response.status == 201, response.body
    assert response.json["user"] == "0000a11c@example.com"
    assert response.json["referralsRemaining"] == 10
    assert response.headers["Location"] == "/v1/me"
    assert response.headers["X-Position"] == f"member-{ALICE}@2"


async def test_an_account_is_served_as_the_bytes_in_redis(client: GatewayClient) -> None:
    opened = await client.post("/v1/me", client.issuer.id())
    read = await client.get("/v1/me", client.issuer.access())
    assert read.status == 200
    assert read.body == opened.body
    keys = await client.redis.keys(f"*{{members:*member-{ALICE}*")
    stored = [await client.redis.hget(key, "d") for key in keys]
    assert stored == [read.body]


async def test_an_account_lists_all_of_its_referrals_however_many(client: GatewayClient) -> None:
    opened = await client.post("/v1/me", client.issuer.id())
    code = normalise(opened.json["referralCode"])
    addresses = [f"p{number}@example.org" for number in range(INLINE_REFERRALS + 3)]
    granted = GrantQuota(member_id=ALICE, total_referrals=100, by="root", reason="a test")
    await execute(client, granted)
    for address in addresses:
        await execute(
            client,
            ReserveReferral(member_id=ALICE, code=code, invited_user=address, verified=True),
        )
    read = await client.get("/v1/me", client.issuer.access())
    assert read.json.keys() == opened.json.keys()
    history = await client.bus.stores["referrals"].load(f"member-{ALICE}")
    uses = [each.use_id for each in history.events if isinstance(each, ReferralReserved)]
    assert len(uses) == len(addresses)
    assert [each["useId"] for each in read.json["referrals"]] == uses
    fields = {tuple(each) for each in read.json["referrals"]}
    assert fields == {("invitedUser", "timestamp", "confirmed", "useId")}
    assert (read.json["referralsPending"], read.json["referralsRemaining"]) == (len(uses), 47)
    etag = read.headers["ETag"]
    again = await client.get("/v1/me", client.issuer.access(), headers={"If-None-Match": etag})
    assert again.status == 304


async def execute(client: GatewayClient, command: Any) -> None:
    handler = client.bus.service("referrals").application.handler
    await handler.execute(command, Metadata(command_id=str(uuid4()), correlation_id="test"))


async def test_an_unchanged_account_answers_304(client: GatewayClient) -> None:
    await client.post("/v1/me", client.issuer.id())
    token = client.issuer.access()
    etag = (await client.get("/v1/me", token)).headers["ETag"]
    for known in (etag, f'W/{etag}, "other"', "*"):
        again = await client.get("/v1/me", token, headers={"If-None-Match": known})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["ETag"] == etag
    other = await client.get("/v1/me", token, headers={"If-None-Match": '"other"'})
    assert other.status == 200


async def test_a_person_without_an_account_receives_404(client: GatewayClient) -> None:
    response = await client.get("/v1/me", client.issuer.access())
    assert (response.status, response.json["code"]) == (404, "no_account")


async def test_an_account_is_opened_once(client: GatewayClient) -> None:
    await client.post("/v1/me", client.issuer.id())
    again = await client.post("/v1/me", client.issuer.id())
    assert (again.status, again.json["code"]) == (409, "account_exists")
    assert again.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("claims", [{"email_verified": False}, {"email": None}])
async def test_a_person_without_a_verified_address_cannot_open_an_account(
    claims: dict[str, Any], client: GatewayClient
) -> None:
    response = await client.post("/v1/me", client.issuer.id(**claims))
    assert (response.status, response.json["code"]) == (409, "email_not_verified")
    assert "no verified e-mail address" in response.json["detail"]
    assert client.bus.sent == []


async def test_lost_read_models_answer_503_instead_of_404(client: GatewayClient) -> None:
    await client.post("/v1/me", client.issuer.id())
    await client.redis.flushall()
    await asyncio.sleep(0)
    response = await client.get("/v1/me", client.issuer.access())
    assert (response.status, response.json["code"]) == (503, "read_model_rebuilding")
    assert response.headers["Retry-After"] == "1"


async def test_the_command_carries_the_caller_and_the_trace(client: GatewayClient) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    headers = {"traceparent": trace, "X-Request-ID": "request-0001"}
    response = await client.post("/v1/me", client.issuer.id(), headers=headers)
    (sent,) = client.bus.sent
    assert sent.queue == "test-referrals-commands.fifo"
    assert sent.group_id == f"member-{ALICE}"
    assert sent.headers["actor"] == ALICE
    assert sent.headers["traceparent"].split("-")[1] == trace.split("-")[1]
    assert sent.headers["traceparent"] != trace
    assert sent.correlation_id == response.headers["X-Request-ID"] == "request-0001"
    assert sent.deduplication_id != sent.headers["command-id"]  # each send is delivered


async def test_a_read_waits_for_the_callers_last_write(client: GatewayClient) -> None:
    wanted = {"X-Min-Position": f"member-{ALICE}@2"}
    waiting = asyncio.create_task(client.get("/v1/me", client.issuer.access(), headers=wanted))
    opened = await client.post("/v1/me", client.issuer.id())
    assert opened.headers["X-Position"] == wanted["X-Min-Position"]
    assert (await waiting).body == opened.body


async def test_a_position_that_is_not_reached_answers_503(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_documents, "WAIT_SECONDS", 0.01)
    wanted = {"X-Min-Position": f"member-{ALICE}@99"}
    response = await client.get("/v1/me", client.issuer.access(), headers=wanted)
    assert (response.status, response.json["code"]) == (503, "position_not_reached")


@pytest.mark.parametrize("position", ["", "2", "member-bob@2", f"member-{ALICE}@x", "@"])
async def test_a_position_in_another_stream_is_rejected(
    position: str, client: GatewayClient
) -> None:
    headers = {"X-Min-Position": position}
    assert (await client.get("/v1/me", client.issuer.access(), headers=headers)).status == 400
