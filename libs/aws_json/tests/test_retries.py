"""Calls are repeated exactly as aiobotocore repeats them."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from aws_json import JsonClient
from aws_json.tests.scripted import DROPPED, Scripted, Server, open_client, outcome_of

pytestmark = pytest.mark.usefixtures("pauses")
ATTEMPTS = 5


def refusal(code: str, status: int = 400) -> Scripted:
    return Scripted(json.dumps({"__type": code, "message": "m"}).encode(), status)


THROTTLED = refusal("ThrottlingException")
DAMAGED = Scripted(b'{"Items": []}', headers={"x-amz-crc32": "1"})
SCRIPTS: dict[str, list[Scripted | str]] = {
    "throttled": [THROTTLED, THROTTLED, Scripted()],
    "provisioned": [refusal("ProvisionedThroughputExceededException"), Scripted()],
    "always throttled": [THROTTLED],
    "server error": [refusal("InternalServerError", 500), Scripted()],
    "bad gateway": [Scripted(b"<html>", 502), Scripted(b"", 504), Scripted()],
    "dropped": [DROPPED, DROPPED, Scripted()],
    "always dropped": [DROPPED],
    "damaged": [DAMAGED, Scripted()],
    "damaged error": [Scripted(b"{}", 400, {"x-amz-crc32": "1"}), Scripted()],
    "condition": [refusal("ConditionalCheckFailedException")],
    "transaction in progress": [refusal("TransactionInProgressException"), Scripted()],
    "transaction conflict": [refusal("TransactionConflictException")],
    "access denied": [refusal("AccessDeniedException")],
    "expired token": [refusal("ExpiredTokenException", 403)],
    "mixed": [DROPPED, THROTTLED, Scripted(b"", 503), DAMAGED, refusal("ValidationException")],
}


@pytest.mark.parametrize("mode", ["standard", "legacy"])
@pytest.mark.parametrize("name", SCRIPTS)
async def test_attempts_and_outcome_are_those_of_aiobotocore(
    server: Server, pauses: list[int], name: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.retryhandler.delay_exponential", lambda **_: 0)
    retries = {"mode": mode, "total_max_attempts": ATTEMPTS}
    seen = []
    async with open_client("dynamodb", server.url, retries=retries) as generic:
        for client in (generic, JsonClient(generic)):
            server.answer(*SCRIPTS[name])
            pauses.clear()
            outcome = await outcome_of(client.put_item(TableName="t", Item={}))
            seen.append((outcome, len(server.received), [*pauses]))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("name", SCRIPTS)
async def test_a_client_of_one_attempt_repeats_nothing(server: Server, name: str) -> None:
    """The SQS transport repeats calls itself."""
    async with open_client("sqs", server.url) as client:
        server.answer(*SCRIPTS[name])
        await outcome_of(JsonClient(client).receive_message(QueueUrl="q"))
    assert len(server.received) == 1


async def test_a_long_outage_uses_up_the_quota_of_retries_and_successes_refill_it(
    server: Server,
) -> None:
    async def requests_of_a_failing_call(client: Any) -> int:
        server.answer(Scripted(status=500))
        with pytest.raises(ClientError):
            await client.get_item(TableName="t", Key={})
        return len(server.received)

    async with open_client("dynamodb", server.url, attempts=ATTEMPTS) as generic:
        client = JsonClient(generic)
        # the quota of 500 pays for a hundred retries
        counts = [await requests_of_a_failing_call(client) for _ in range(26)]
        assert counts == [ATTEMPTS] * 25 + [1]
        assert await requests_of_a_failing_call(generic) == 1  # one quota for both
        server.answer(Scripted())
        for _ in range(10):
            await client.get_item(TableName="t", Key={})
        assert await requests_of_a_failing_call(client) == 3


async def test_a_retry_that_succeeds_returns_its_quota(server: Server) -> None:
    async with open_client("dynamodb", server.url, attempts=2) as generic:
        client = JsonClient(generic)
        for _ in range(120):
            server.answer(THROTTLED, Scripted())
            await client.get_item(TableName="t", Key={})
            assert len(server.received) == 2


async def test_each_attempt_is_signed_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([1_800_000_000.0, 1_800_000_060.0])
    monkeypatch.setattr("aws_json.clock.Clock.now", lambda _self: next(times))
    server.answer(DROPPED, Scripted())
    async with open_client("dynamodb", server.url, attempts=2) as client:
        await JsonClient(client).get_item(TableName="t", Key={})
    first, second = (each.headers for each in server.received)
    assert first["x-amz-date"] < second["x-amz-date"]
    assert first["authorization"] != second["authorization"]


async def test_a_dropped_connection_keeps_its_cause(server: Server) -> None:
    server.answer(DROPPED)
    async with open_client("dynamodb", server.url) as client:
        with pytest.raises(ConnectionClosedError) as raised:
            await JsonClient(client).get_item(TableName="t", Key={})
    assert raised.value.__cause__ is not None


async def test_a_client_with_its_own_token_bucket_is_refused(server: Server) -> None:
    async with open_client("dynamodb", server.url, retries={"mode": "adaptive"}) as client:
        with pytest.raises(ValueError, match="adaptive"):
            JsonClient(client)
