"""A message that is not a command becomes a dead letter and does not block its group."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from chassis.bus.outcomes import Outcomes
from contracts.referrals import OpenAccount
from tests.support.boto import Boto, boto
from tests.support.eventually import eventually
from tests.support.stack import Service, Stack

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def clients(stack: Stack) -> AsyncIterator[Boto]:
    async with boto(stack) as clients:
        yield clients


@pytest.fixture(scope="module")
async def referrals(stack: Stack) -> AsyncIterator[Service]:
    service = stack.service("referrals").start()
    yield await service.ready()
    service.stop()


@pytest.fixture
async def outcomes(stack: Stack) -> AsyncIterator[Outcomes]:
    redis = Redis.from_url(stack.settings.redis_url)
    yield Outcomes(redis)
    await redis.aclose()


async def send(clients: Boto, body: str, group: str, **attributes: str) -> str:
    reply = await clients.sqs.send_message(
        QueueUrl=clients.commands,
        MessageBody=body,
        MessageGroupId=group,
        MessageDeduplicationId=str(uuid4()),
        MessageAttributes={
            name.replace("_", "-"): {"DataType": "String", "StringValue": value}
            for name, value in attributes.items()
        },
    )
    message_id: str = reply["MessageId"]
    return message_id


async def take_dead_letters(clients: Boto) -> dict[str, Any]:
    """Remove and return the messages of the dead-letter queue, by body."""
    reply = await clients.sqs.receive_message(
        QueueUrl=clients.dead_letters,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        AttributeNames=["All"],
    )
    for message in reply.get("Messages", []):
        await clients.sqs.delete_message(
            QueueUrl=clients.dead_letters, ReceiptHandle=message["ReceiptHandle"]
        )
    return {message["Body"]: message for message in reply.get("Messages", [])}


@dataclass(frozen=True)
class UnreadableMessage:
    body: str
    attributes: dict[str, str]
    because: str
    """A part of the reason in the log line."""


@pytest.mark.parametrize(
    "message",
    [
        UnreadableMessage("no JSON at all", {"command_id": "a"}, "body"),
        UnreadableMessage('{"kind": "MeltDown"}', {"command_id": "b"}, "type"),
        UnreadableMessage('{"type": "OpenAccount", "memberId": "x"}', {"command_id": "c"}, "email"),
        UnreadableMessage(
            '{"type": "OpenAccount", "memberId": "x", "email": "x@example.com"}', {}, "command-id"
        ),
        UnreadableMessage(
            '{"type": "OpenAccount", "memberId": "x", "email": "y@example.com"}',
            {"command_id": "not an id!"},
            "attributes",
        ),
    ],
)
async def test_an_unreadable_message_is_logged_and_becomes_a_dead_letter(
    clients: Boto,
    referrals: Service,
    outcomes: Outcomes,
    message: UnreadableMessage,
) -> None:
    group = f"member-{uuid4()}"
    message_id = await send(clients, message.body, group, **message.attributes)
    member = str(uuid4())
    after = OpenAccount(member_id=member, email=f"{member}@example.com")
    await send(clients, after.model_dump_json(), group, command_id=member)  # the same group

    dead_letters = await eventually(lambda: take_dead_letters(clients))
    assert set(dead_letters) == {message.body}
    assert dead_letters[message.body]["Attributes"]["MessageGroupId"] == group
    reason = dead_letters[message.body]["MessageAttributes"]["dead-letter-reason"]["StringValue"]
    assert message.because in reason
    for name, value in message.attributes.items():
        sent = dead_letters[message.body]["MessageAttributes"][name.replace("_", "-")]
        assert sent["StringValue"] == value
    assert await eventually(lambda: outcomes.get(member))

    logged = next(line for line in referrals.lines if line.get("message_id") == message_id)
    assert logged["event"] == "message_unreadable"
    assert message.because in logged["because"]
