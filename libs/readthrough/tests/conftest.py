"""Tables and a queue on the local AWS, in an account of their own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aioboto3
import pytest

from readthrough import DAO

CREDENTIALS = {"region_name": "eu-west-2", "aws_secret_access_key": "local"}


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
async def cloud(aws: str, aws_account: str) -> AsyncIterator[Aws]:
    session = aioboto3.Session()
    options = CREDENTIALS | {"endpoint_url": aws, "aws_access_key_id": aws_account}
    async with (
        session.client("dynamodb", **options) as dynamodb,
        session.client("sqs", **options) as sqs,
    ):
        yield Aws(dynamodb, sqs)


@pytest.fixture
def account(aws: str, aws_account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For objects that open their own clients, as they do outside of tests."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws_account)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CREDENTIALS["aws_secret_access_key"])
