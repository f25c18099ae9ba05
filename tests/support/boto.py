"""Open plain AWS clients, to send messages to the code under test and to read what it stored."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aioboto3

from tests.support.stack import Stack


@dataclass(frozen=True)
class Boto:
    """Hold AWS clients and the URLs of the referrals service's queues."""

    dynamodb: Any
    sqs: Any
    commands: str
    """URL of the command queue."""
    dead_letters: str
    """URL of the dead-letter queue of commands."""


@contextlib.asynccontextmanager
async def boto(stack: Stack) -> AsyncIterator[Boto]:
    environment = stack.environment
    options = {
        "endpoint_url": environment["AWS_ENDPOINT_URL"],
        "region_name": environment["AWS_REGION"],
        "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
    }
    session = aioboto3.Session()
    name = f"{stack.settings.stack}-referrals-commands"
    async with (
        session.client("dynamodb", **options) as dynamodb,
        session.client("sqs", **options) as sqs,
    ):
        commands = await sqs.get_queue_url(QueueName=f"{name}.fifo")
        dead = await sqs.get_queue_url(QueueName=f"{name}-dlq.fifo")
        yield Boto(dynamodb, sqs, commands["QueueUrl"], dead["QueueUrl"])
