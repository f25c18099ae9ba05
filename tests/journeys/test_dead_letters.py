"""The command `dead-letters` on the local AWS, with messages that a running service rejected."""

import asyncio
import json
import os
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.support.boto import Boto, boto
from tests.support.eventually import eventually
from tests.support.forked_process import ForkedProcess
from tests.support.stack import Stack

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class CommandResult:
    returncode: int
    lines: list[str]


async def dead_letters(stack: Stack, *words: str) -> CommandResult:
    """Run `python -m referrals dead-letters …` on the queue of commands."""
    log = stack.settings.state / f"{uuid4()}.log"
    arguments = ["referrals", "dead-letters", *words, "--queue", "commands"]
    process = ForkedProcess(
        arguments, {**os.environ, **stack.environment_of("referrals-operator")}, log
    )
    code = await asyncio.to_thread(process.wait, 60)
    return CommandResult(code, log.read_text().splitlines())


async def messages_in(clients: Boto, url: str) -> int:
    reply = await clients.sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(reply["Attributes"]["ApproximateNumberOfMessages"])


async def send(clients: Boto, body: str, group: str, **attributes: str) -> None:
    await clients.sqs.send_message(
        QueueUrl=clients.commands,
        MessageBody=body,
        MessageGroupId=group,
        MessageDeduplicationId=str(uuid4()),
        MessageAttributes={
            name.replace("_", "-"): {"DataType": "String", "StringValue": value}
            for name, value in attributes.items()
        },
    )


async def listed(stack: Stack, group: str) -> list[str]:
    """Return the lines of the list about the messages of one stream."""
    result = await dead_letters(stack, "list")
    assert result.returncode == 0, result.lines
    return [line for line in result.lines if group in line.split()]


async def test_rejected_messages_are_listed_shown_resent_and_discarded(stack: Stack) -> None:
    group, command_id = f"member-{uuid4()}", str(uuid4())
    broken = json.dumps({"type": "OpenAccount", "memberId": "x"})
    service = await stack.service("referrals").start().ready()
    async with boto(stack) as clients:
        for number in range(12):
            await send(clients, broken, f"{group}-{number}", command_id=str(uuid4()))
        await send(clients, broken, group, command_id=command_id)

        async def arrived() -> bool:
            return await messages_in(clients, clients.dead_letters) == 13

        await eventually(arrived)
        result = await dead_letters(stack, "list")
        assert len([line for line in result.lines if group in line]) == 13
        (line,) = [line for line in result.lines if group in line.split()]
        assert "OpenAccount.email: Field required" in line

        message_id = line.split()[0]
        shown = await dead_letters(stack, "show", message_id)
        described: dict[str, Any] = json.loads("\n".join(shown.lines))
        assert described["body"] == broken
        assert described["message_attributes"]["command-id"]["StringValue"] == command_id

        # the running service rejects it again at once: it comes back, under another id
        resent = await dead_letters(stack, "resend", message_id)
        assert resent.returncode == 0, resent.lines
        await eventually(arrived)
        (again,) = await listed(stack, group)
        assert again.split()[0] != message_id
        discarded = await dead_letters(stack, "discard", again.split()[0])
        assert discarded.returncode == 0, discarded.lines
        assert json.loads(discarded.lines[0])["body"] == broken
        assert await listed(stack, group) == []

        # a stopped service: what is sent back waits in its queue
        service.stop()
        everything = await dead_letters(stack, "resend", "--all")
        assert everything.returncode == 0, everything.lines
        assert await messages_in(clients, clients.commands) >= 12
        assert await messages_in(clients, clients.dead_letters) == 0
        await clients.sqs.purge_queue(QueueUrl=clients.commands)
