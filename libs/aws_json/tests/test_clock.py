"""A wrong clock is corrected by the time of the service."""

import json
from email.utils import formatdate
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws_json import JsonClient
from aws_json.clock import TOLERANCE_SECONDS, Clock
from aws_json.tests.scripted import Scripted, Server

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aws_json.clock.time.time", lambda: NOW)


def refusal(code: str, offset: float) -> Scripted:
    date = formatdate(NOW + offset, usegmt=True)
    return Scripted(json.dumps({"__type": code}).encode(), 400, {"Date": date})


@pytest.mark.parametrize("offset", [-3600, 400, 86_400])
async def test_a_call_that_was_signed_at_the_wrong_time_is_repeated_at_the_right_one(
    dynamodb: Any, server: Server, offset: float
) -> None:
    server.answer(refusal("InvalidSignatureException", offset), Scripted())
    client = JsonClient(dynamodb)
    await client.get_item(TableName="t", Key={})
    await client.get_item(TableName="t", Key={})
    wrong, *right = (each.headers["x-amz-date"] for each in server.received)
    assert len(right) == 2
    assert len(set(right)) == 1
    assert wrong != right[0]


@pytest.mark.parametrize(
    ("code", "offset"),
    [
        ("InvalidSignatureException", 0),  # a wrong key
        ("InvalidSignatureException", TOLERANCE_SECONDS - 10),
        ("ConditionalCheckFailedException", 3600),
    ],
)
async def test_other_refusals_are_not_repeated(
    dynamodb: Any, server: Server, code: str, offset: float
) -> None:
    server.answer(refusal(code, offset))
    with pytest.raises(ClientError):
        await JsonClient(dynamodb).get_item(TableName="t", Key={})
    assert len(server.received) == 1


async def test_a_service_whose_time_jumps_is_followed_once_in_a_call(
    dynamodb: Any, server: Server
) -> None:
    server.answer(
        refusal("RequestTimeTooSkewed", 3600), refusal("RequestTimeTooSkewed", 7200), Scripted()
    )
    with pytest.raises(ClientError):
        await JsonClient(dynamodb).get_item(TableName="t", Key={})
    assert len(server.received) == 2


@pytest.mark.parametrize("date", [None, "", "yesterday", "Fri, 99 Nov 2026 21:00:00 GMT"])
def test_a_date_that_cannot_be_read_corrects_nothing(date: str | None) -> None:
    clock = Clock()
    assert not clock.correct("RequestExpired", date)
    assert clock.now() == NOW
