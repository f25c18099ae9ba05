"""The private parts of aiobotocore do what this library needs; a release may change them."""

from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiobotocore.session import get_session
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials

from aws_json import JsonClient, JsonSession
from aws_json.botocore_internals import target_and_signer
from aws_json.operation import Operation
from aws_json.tests.scripted import Server

CREDENTIALS: dict[str, Any] = {"aws_access_key_id": "AKID", "aws_secret_access_key": "secret"}
ENDPOINTS: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("dynamodb", {"region_name": "eu-west-2"}, {}),
    ("dynamodb", {"region_name": "cn-north-1"}, {}),
    ("dynamodb", {"region_name": "us-gov-west-1"}, {}),
    ("dynamodb", {"region_name": "local"}, {}),
    ("dynamodb", {"region_name": "us-east-1", "config": Config(use_fips_endpoint=True)}, {}),
    ("dynamodb", {"region_name": "us-east-1", "config": Config(use_dualstack_endpoint=True)}, {}),
    ("dynamodb", {"region_name": "us-east-1", "aws_account_id": "111122223333"}, {}),
    ("dynamodb", {"region_name": "x"}, {"AWS_ENDPOINT_URL": "http://localhost:4566"}),
    ("dynamodb", {"region_name": "x"}, {"AWS_ENDPOINT_URL_DYNAMODB": "http://localhost:1/a b"}),
    ("sqs", {"region_name": "eu-west-2"}, {}),
    ("sqs", {"region_name": "eu-west-2"}, {"AWS_ENDPOINT_URL_SQS": "https://sqs.test:8443"}),
    ("sqs", {"region_name": "eu-west-2", "config": Config(use_dualstack_endpoint=True)}, {}),
]


@pytest.mark.parametrize(("service", "options", "environment"), ENDPOINTS)
async def test_the_endpoint_and_the_scope_are_those_of_the_client(
    service: str,
    options: dict[str, Any],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    sent: list[Any] = []

    def stop(request: Any, **_: Any) -> Any:
        sent.append(request)
        raise RuntimeError

    methods = {"dynamodb": ("get_item", "GetItem"), "sqs": ("receive_message", "ReceiveMessage")}
    method, name = methods[service]
    async with get_session().create_client(service, **CREDENTIALS, **options) as client:
        client.meta.events.register(f"before-send.{service}", stop)
        parameters: dict[str, Any] = {"QueueUrl": "q"} if service == "sqs" else KEY
        with pytest.raises(RuntimeError):
            await getattr(client, method)(**parameters)
        operation = Operation(method, client.meta.service_model.operation_model(name))
        credentials = await client._request_signer._credentials.get_frozen_credentials()
        target, signer = await target_and_signer(client, operation, parameters, credentials)
    assert str(target.url) == sent[0].url
    scope = sent[0].headers["Authorization"].decode().partition(",")[0].split("/")[2:]
    assert signer.sign(b"", 0)["Authorization"].partition(",")[0].split("/")[2:] == scope


KEY = {"TableName": "t", "Key": {"p": {"S": "a"}}}


async def test_another_account_has_another_endpoint() -> None:
    async with get_session().create_client(
        "dynamodb", region_name="us-east-1", **CREDENTIALS
    ) as client:
        operation = Operation("get_item", client.meta.service_model.operation_model("GetItem"))
        hosts = []
        for account in ("111122223333", "444455556666"):
            credentials = ReadOnlyCredentials("AKID", "secret", None, account)
            client._request_signer._credentials.account_id = account
            target, _ = await target_and_signer(client, operation, KEY, credentials)
            hosts.append(target.url.host)
    assert hosts == [
        "111122223333.ddb.us-east-1.amazonaws.com", "444455556666.ddb.us-east-1.amazonaws.com",
    ]  # fmt: skip


async def test_a_session_wraps_the_clients_of_both_services_only(server: Server) -> None:
    session = JsonSession()
    async with AsyncExitStack() as stack:
        kinds = {}
        for service in ("dynamodb", "sqs", "s3"):
            client = await stack.enter_async_context(
                session.create_client(
                    service, region_name="eu-west-2", endpoint_url=server.url, **CREDENTIALS
                )
            )
            kinds[service] = isinstance(client, JsonClient)
    assert kinds == {"dynamodb": True, "sqs": True, "s3": False}


async def test_an_unsigned_client_is_refused(server: Server) -> None:
    import botocore  # noqa: PLC0415

    async with get_session().create_client(
        "sqs",
        region_name="eu-west-2",
        endpoint_url=server.url,
        config=Config(signature_version=botocore.UNSIGNED),
    ) as client:
        with pytest.raises(ValueError, match="signature"):
            JsonClient(client)
