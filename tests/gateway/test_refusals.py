"""Redis or SQS refuse for a while: requests get 503, never 500, and nothing is half done."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError as AwsError
from botocore.exceptions import (
    ConnectTimeoutError,
    CredentialRetrievalError,
    NoCredentialsError,
    ReadTimeoutError,
)

from faststream_sqs.exceptions import EntryFailedError
from gateway.edge.errors import problem_for
from tests.gateway.conftest import GatewayClient, Gateways, Reply
from tests.gateway.environment import ALICE
from tests.support.eventually import eventually
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_server import RedisServer
from tests.support.refusing_redis import (
    READS,
    REFUSALS,
    WRITES,
    RefusingCluster,
    RefusingRedis,
)

OPEN = {"Idempotency-Key": "open"}
CODE = {"Idempotency-Key": "code"}


@pytest.fixture(scope="module")
def redis_server(
    redis_server: RedisServer, proxies: RefusingCluster | None
) -> RedisServer | RedisCluster:
    return redis_server if proxies is None else proxies.cluster


@pytest.fixture
async def refusing(
    gateways: Gateways,
    redis_server: RedisServer,
    tmp_path: Path,
    proxies: RefusingCluster | None,
) -> AsyncIterator[RefusingRedis]:
    """A Redis that refuses commands of the gateway, and none of the services."""
    if proxies is not None:
        gateways.redis_url = proxies.url
        yield proxies
        proxies.accept()
        return
    redis = RefusingRedis(str(redis_server.folder / "redis.sock"), f"{tmp_path}/redis.sock")
    async with redis.running():
        gateways.redis_url = redis.url
        yield redis


@pytest.fixture
async def refused_client(refusing: RefusingRedis, gateways: Gateways) -> GatewayClient:
    assert refusing.url == gateways.redis_url
    return await gateways.open(outcome_wait_seconds=0.2)


async def _everything(client: GatewayClient) -> dict[str, Reply]:
    """Request what an existing member may; each with its correct status."""
    access, identity = client.issuer.access(), client.issuer.id()
    random = {"kind": "random"}
    return {
        "200 account": await client.get("/v1/me", access),
        "200 codes": await client.get("/v1/referral/codes", access),
        "200 points": await client.get("/v1/referral/stats", access),
        "200 code": await client.get("/v1/referral/valid?referral_code=00000-00000"),
        "201 open, keyed": await client.post("/v1/me", identity, headers=OPEN),
        "409 open": await client.post("/v1/me", identity),
        "201 code, keyed": await client.post(
            "/v1/referral/codes", access, headers=CODE, json=random
        ),
        "201 code, async": await client.post(
            "/v1/referral/codes", access, headers={"Prefer": "respond-async"}, json=random
        ),
    }


def _wrong(replies: dict[str, Reply]) -> list[str]:
    """Return the replies that are neither right, nor 202, nor a 503 that says when to retry."""
    return [
        f"{name}: {reply.status} {reply.json}"
        for name, reply in replies.items()
        if reply.status not in (int(name[:3]), 202)
        and not (reply.status == 503 and reply.headers.get("Retry-After"))
    ]


@pytest.mark.parametrize("names", [WRITES, READS, WRITES | READS], ids=["writes", "reads", "all"])
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda text: text.split()[0])
async def test_a_refusal_of_redis_is_answered_503_or_correctly(
    refusal: str, names: frozenset[str], refused_client: GatewayClient, refusing: RefusingRedis
) -> None:
    client = refused_client
    await _open_account(client)
    refusing.refuse(refusal, names)
    replies = await _everything(client)
    refusing.accept()
    assert not _wrong(replies)
    code = await _issue_code(client)
    final = await _issue_code(client) if code.status == 409 else code  # the claim lapses by itself
    assert final.status in (201, 409)


async def _open_account(client: GatewayClient) -> None:
    """Open the account under its key; a slow machine answers 202 first."""

    async def opened() -> bool:
        reply = await client.post("/v1/me", client.issuer.id(), headers=OPEN)
        assert reply.status in (201, 202), reply.json
        return reply.status == 201

    await eventually(opened)


async def _issue_code(client: GatewayClient) -> Reply:
    """Issue a code under a key; if its outcome is not known at once, repeat once it is."""
    access = client.issuer.access()

    async def issue() -> Reply:
        return await client.post(
            "/v1/referral/codes", access, headers=CODE, json={"kind": "random"}
        )

    first = await issue()
    if first.status != 202:
        return first

    async def known() -> bool:
        return (await client.get(first.headers["Location"], access)).status == 200

    await eventually(known)
    return await issue()


async def test_readyz_names_a_redis_that_refuses_writes(
    refused_client: GatewayClient, refusing: RefusingRedis
) -> None:
    refusing.refuse(REFUSALS[0])
    failing = await refused_client.gateway.health.failing()
    assert "OOM" in failing["redis"]
    refusing.accept()

    async def ready() -> bool:
        return not await refused_client.gateway.health.failing()

    await eventually(ready)


def aws_error(code: str) -> AwsError:
    return AwsError({"Error": {"Code": code, "Message": "refused"}}, "SendMessage")


SQS_REFUSALS: list[Exception] = [
    aws_error("RequestThrottled"),
    aws_error("Throttling"),
    aws_error("AccessDenied"),
    aws_error("AccessDeniedException"),
    aws_error("ExpiredToken"),
    aws_error("InvalidClientTokenId"),
    aws_error("SignatureDoesNotMatch"),
    aws_error("AWS.SimpleQueueService.NonExistentQueue"),
    aws_error("KMS.ThrottlingException"),
    aws_error("InternalError"),
    aws_error("SomethingThatNoBuildKnows"),
    ConnectTimeoutError(endpoint_url="https://sqs.example"),
    ReadTimeoutError(endpoint_url="https://sqs.example"),
    NoCredentialsError(),
    CredentialRetrievalError(provider="container-role", error_msg="500"),
    EntryFailedError("InternalError", "", sender_fault=False),
    ConnectionResetError("reset"),
    TimeoutError(),
]


@pytest.mark.parametrize("error", SQS_REFUSALS, ids=repr)
async def test_a_refusal_of_sqs_is_answered_503_and_leaves_nothing(
    error: Exception, client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_message: Any, **_options: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(client.bus.memory, "publish", refuse)
        for headers in (OPEN, OPEN | {"Prefer": "respond-async"}, {}):
            reply = await client.post("/v1/me", client.issuer.id(), headers=headers)
            assert (reply.status, reply.json["code"]) == (503, "bus_unavailable")
            assert reply.headers["Retry-After"]
    assert [key async for key in client.redis.scan_iter("claim:*")] == []
    assert [key async for key in client.redis.scan_iter("answer:*")] == []
    assert f"member-{ALICE}" not in client.bus.stores["referrals"].streams
    assert (await client.post("/v1/me", client.issuer.id(), headers=OPEN)).status == 201


@pytest.mark.parametrize("error", SQS_REFUSALS[:10], ids=repr)
def test_a_refusal_of_the_table_of_reports_is_answered_503(error: Exception) -> None:
    problem = problem_for(error)
    assert (problem.status, problem.code) == (503, "store_unavailable")
    assert problem.headers["Retry-After"]


def test_a_request_that_the_gateway_has_built_wrongly_is_answered_500() -> None:
    assert problem_for(aws_error("ValidationException")).status == 500
