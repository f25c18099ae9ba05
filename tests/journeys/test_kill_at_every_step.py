"""Kill the service between any two steps: each accepted command is in the log exactly once.

tests/chaos kills at random moments and injects other faults.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from chassis.bus.outcomes import Outcomes
from chassis.log.codec import Codec
from chassis.log.dynamodb import DynamoDBEventStore
from chassis.log.event_store import Commit
from chassis.resilience.failpoint import COMMAND_STEPS
from chassis.views.projection import ListState
from chassis.views.read_models import ReadModels
from contracts.messages import CommandOutcome
from contracts.referrals import (
    ACCOUNTS,
    CODE_OWNERS,
    AccountOpened,
    CodeIssued,
    NumberedReferral,
    OpenAccount,
    ReferralEvent,
    StoredAccount,
)
from referrals.projections import fold_entry
from tests.support.boto import Boto, boto
from tests.support.eventually import eventually
from tests.support.stack import Service, Stack

pytestmark = pytest.mark.stack

Event = AccountOpened | CodeIssued
VISIBILITY_SECONDS = 2
"""Visibility timeout in these tests: the messages of a killed process reappear after it."""


@dataclass
class World:
    """Send commands to the service, and check the results."""

    stack: Stack
    boto: Boto
    store: DynamoDBEventStore[Event]
    redis: Redis

    @property
    def referrals(self) -> Service:
        return self.stack.service("referrals")

    async def send(self) -> OpenAccount:
        """Send a command as the gateway does; its id is the member's."""
        member = str(uuid4())
        command = OpenAccount(member_id=member, email=f"{member}@example.com")
        await self.boto.sqs.send_message(
            QueueUrl=self.boto.commands,
            MessageBody=command.model_dump_json(),
            MessageGroupId=command.stream,
            MessageDeduplicationId=member,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in {
                    "command-id": member,
                    "body-hash": command.body_hash,
                    "correlation_id": "journey",
                    "content-type": "application/json",
                }.items()
            },
        )
        return command

    async def outcome(self, command: OpenAccount) -> CommandOutcome:
        outcome = await eventually(lambda: Outcomes(self.redis).get(command.member_id), seconds=40)
        assert outcome is not None
        return outcome

    async def commits(self, command: OpenAccount) -> tuple[Commit[Event], ...]:
        return (await self.store.load(command.stream)).commits

    async def check(self, command: OpenAccount) -> None:
        """Check that the command is in the log once, accepted, and visible in the read models."""
        outcome = await self.outcome(command)
        commits = await self.commits(command)
        assert Counter(c.origin.command_id for c in commits) == {command.member_id: 1}
        assert [c.first for c in commits] == [1]
        assert (outcome.state, outcome.position.version) == ("accepted", 2)
        state = ListState[StoredAccount, NumberedReferral](None, {})
        for event in commits[0].events:
            state = fold_entry(state, event)
        reader = ReadModels(self.redis)
        document = await reader.document(ACCOUNTS, command.stream)
        assert document is not None
        assert StoredAccount.model_validate_json(document.body) == state.summary
        assert document.version == 2
        issued = commits[0].events[1]
        assert isinstance(issued, CodeIssued)
        assert await reader.entry(CODE_OWNERS, issued.code) == command.stream


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with boto(stack) as clients:
        changed = ["VisibilityTimeout", "RedrivePolicy"]
        described = await clients.sqs.get_queue_attributes(
            QueueUrl=clients.commands, AttributeNames=changed
        )
        deployed = {name: described["Attributes"][name] for name in changed}
        attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        await clients.sqs.set_queue_attributes(QueueUrl=clients.commands, Attributes=attributes)
        redis = Redis.from_url(stack.settings.redis_url)
        store: DynamoDBEventStore[Event] = DynamoDBEventStore(
            clients.dynamodb,
            events=f"{stack.settings.stack}-referrals-events",
            meta=f"{stack.settings.stack}-referrals-meta",
            codec=Codec(ReferralEvent),
        )
        yield World(stack, clients, store, redis)
        await redis.aclose()
        await clients.sqs.set_queue_attributes(QueueUrl=clients.commands, Attributes=deployed)


@pytest.fixture
async def no_service(world: World) -> AsyncIterator[None]:
    world.referrals.stop()
    yield
    world.referrals.stop()


async def dead_letters(world: World) -> Any:
    described = await world.boto.sqs.get_queue_attributes(
        QueueUrl=world.boto.dead_letters, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return described["Attributes"]["ApproximateNumberOfMessages"]


@pytest.mark.usefixtures("no_service")
async def test_a_kill_between_any_two_steps_loses_and_repeats_no_command(
    world: World,
) -> None:
    """One process dies at each step; the next one finishes its command and dies one step later.

    From the second process on, the step is passed twice: by the unfinished command of the last
    process, and by a new one.
    """
    commands = []
    for number, step in enumerate(COMMAND_STEPS):
        times = 1 if number == 0 else 2
        world.referrals.start(FAILPOINT=f"{step}:{times}")
        commands.append(await world.send())
        assert await world.referrals.died(seconds=40) == -9, step
    await world.referrals.start().ready()
    for command in commands:
        await world.check(command)
    assert await dead_letters(world) == "0"
