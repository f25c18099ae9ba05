"""Credentials are those of botocore, refreshed when they are due."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiobotocore.credentials import AioCredentials, AioRefreshableCredentials
from botocore.exceptions import CredentialRetrievalError, NoCredentialsError

from aws_json import JsonClient
from aws_json.tests.scripted import Server


@pytest.fixture
def client(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(
        dynamodb._request_signer, "_credentials", dynamodb._request_signer._credentials
    )
    return dynamodb


async def test_credentials_are_refreshed_before_they_expire(client: Any, server: Server) -> None:
    refreshes: list[int] = []

    async def refresh() -> dict[str, str]:
        refreshes.append(1)
        lifetime = timedelta(seconds=5) if len(refreshes) == 1 else timedelta(hours=1)
        return {
            "access_key": f"AKID{len(refreshes)}",
            "secret_key": "secret",
            "token": f"token{len(refreshes)}",
            "expiry_time": (datetime.now(UTC) + lifetime).isoformat(),
        }

    client._request_signer._credentials = AioRefreshableCredentials.create_from_metadata(
        metadata=await refresh(), refresh_using=refresh, method="test"
    )
    ours = JsonClient(client)
    for _ in range(3):
        await ours.get_item(TableName="t", Key={})
    used = [each.headers["authorization"].partition("/")[0] for each in server.received]
    assert used == ["AWS4-HMAC-SHA256 Credential=AKID2"] * 3
    assert {each.headers["x-amz-security-token"] for each in server.received} == {"token2"}


async def test_changed_credentials_are_used_by_the_next_call(client: Any, server: Server) -> None:
    ours = JsonClient(client)
    for key, token in (("A", None), ("B", "t1"), ("C", "t2")):
        client._request_signer._credentials = AioCredentials(key, "secret", token)
        await ours.get_item(TableName="t", Key={})
    assert [each.headers.get("x-amz-security-token") for each in server.received] == [
        None, "t1", "t2",
    ]  # fmt: skip


async def test_a_refresh_that_fails_is_raised_without_a_request(
    client: Any, server: Server
) -> None:
    async def refresh() -> Any:
        raise CredentialRetrievalError(provider="test", error_msg="the role is gone")

    client._request_signer._credentials = AioRefreshableCredentials(
        "A", "secret", "token", datetime.now(UTC) + timedelta(seconds=1), refresh, "test"
    )
    with pytest.raises(CredentialRetrievalError):
        await JsonClient(client).get_item(TableName="t", Key={})
    assert server.received == []


async def test_a_call_without_credentials_is_refused(client: Any, server: Server) -> None:
    client._request_signer._credentials = None
    with pytest.raises(NoCredentialsError):
        await JsonClient(client).get_item(TableName="t", Key={})
    assert server.received == []
