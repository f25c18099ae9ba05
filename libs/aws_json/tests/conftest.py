"""The server and the clients of these tests."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from aws_json.tests.scripted import Scripted, Server, open_client, serve


@pytest.fixture(scope="module")
async def serving() -> AsyncIterator[Server]:
    async with serve() as server:
        yield server


@pytest.fixture
def server(serving: Server) -> Server:
    """A server that answers with success, until the test gives it a script."""
    serving.answer(Scripted())
    return serving


@pytest.fixture(scope="module")
async def clients(serving: Server) -> AsyncIterator[dict[str, Any]]:
    """Service -> client of aiobotocore, with two attempts per call."""
    async with (
        open_client("dynamodb", serving.url, attempts=2) as dynamodb,
        open_client("sqs", serving.url, attempts=2) as sqs,
    ):
        yield {"dynamodb": dynamodb, "sqs": sqs}


@pytest.fixture
def dynamodb(clients: dict[str, Any]) -> Any:
    return clients["dynamodb"]


@pytest.fixture
def sqs(clients: dict[str, Any]) -> Any:
    return clients["sqs"]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The attempts after which a client paused; no pause takes time."""
    attempts: list[int] = []

    def delay_amount(_self: Any, context: Any) -> float:
        attempts.append(context.attempt_number)
        return 0.0

    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", delay_amount)
    return attempts
