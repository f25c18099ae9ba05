"""Tables and a queue on the local AWS, in an account of their own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aioboto3
import pytest

from readthrough import DAO

ACCOUNT = {
    "region_name": "eu-west-2",
    "aws_access_key_id": "222222222222",
    "aws_secret_access_key": "local",
}


@dataclass(frozen=True)
class Aws:
    dynamodb: Any
    sqs: Any

    async def table(self, name: str, range_key: str | None = None, kind: str = "N") -> DAO:
        """A new table with the partition key `pk`."""
        keys = [("pk", "HASH", "S"), *([(range_key, "RANGE", kind)] if range_key else [])]
        await self.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, _, t in keys],
            KeySchema=[{"AttributeName": n, "KeyType": k} for n, k, _ in keys],
        )
        return DAO(name, client=self.dynamodb)

    async def queue(self, name: str) -> str:
        attributes = {"FifoQueue": "true"}
        made = await self.sqs.create_queue(QueueName=f"{name}.fifo", Attributes=attributes)
        return str(made["QueueUrl"])

    async def messages(self, url: str) -> list[dict[str, Any]]:
        got = await self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]
        )
        return list(got.get("Messages", []))


@pytest.fixture(scope="session")
async def cloud(aws: str) -> AsyncIterator[Aws]:
    session = aioboto3.Session()
    async with (
        session.client("dynamodb", endpoint_url=aws, **ACCOUNT) as dynamodb,
        session.client("sqs", endpoint_url=aws, **ACCOUNT) as sqs,
    ):
        yield Aws(dynamodb, sqs)


@pytest.fixture
def account(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For objects that open their own clients, as they do outside of tests."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ACCOUNT["aws_secret_access_key"])
