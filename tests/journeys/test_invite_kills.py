"""Kill the invites service between any two steps of a mail: each address still gets one mail.

Only a mail that is marked as sent again (`SendingStarted.again`) may arrive twice. With
`INVITE_KILLS=50` (make chaos-invites), it also kills at random steps of a command.
"""

import os
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from chassis.log.codec import Codec
from chassis.log.dynamodb import DynamoDBEventStore
from chassis.resilience.failpoint import COMMAND_STEPS
from contracts.invites import (
    InviteAdmitted,
    InviteEvent,
    InviteSent,
    RegisterInviter,
    RevokeInvite,
    SendingStarted,
    SendInvite,
)
from contracts.messages import Command
from deploy.local.provision import client
from invites.mailer import SENDING_STEPS
from tests.journeys.test_invitation import inbox
from tests.support.boto import boto
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.stack

KILLS = int(os.environ.get("INVITE_KILLS", "1"))
SEED = int(os.environ.get("INVITE_SEED", "1"))
SHORT_WAITS = {"MAIL_PATIENCE_SECONDS": "3", "TICK_SECONDS": "0.2"}
ENDINGS = {"InviteAccepted", "InviteDeclined", "InviteRevoked", "InviteExpired"}


class World:
    """Drive the invites service of the local stack, and read its log."""

    def __init__(self, stack: Stack, store: DynamoDBEventStore[InviteEvent]) -> None:
        self.stack, self.store = stack, store
        self.service = stack.service("invites")
        self.sqs = client("sqs", stack.settings.aws_url)
        self.inviter = uuid.uuid4().hex
        self.queues = [
            self.sqs.get_queue_url(QueueName=f"{stack.settings.stack}-invites-{name}.fifo")[
                "QueueUrl"
            ]
            for name in ("commands", "announcements")
        ]

    def send(self, command: Command) -> None:
        name = uuid.uuid4().hex
        headers = {"command-id": name, "body-hash": command.body_hash, "correlation_id": "kills"}
        self.sqs.send_message(
            QueueUrl=self.queues[0],
            MessageBody=command.model_dump_json(),
            MessageGroupId=command.stream,
            MessageDeduplicationId=name,
            MessageAttributes={
                key: {"DataType": "String", "StringValue": value}
                for key, value in (headers | {"content-type": "application/json"}).items()
            },
        )

    async def invitations(self) -> dict[str, str]:
        """Return the ids of the invitations by address."""
        history = await self.store.load(f"inviter-{self.inviter}")
        return {e.email: e.invite_id for e in history.events if isinstance(e, InviteAdmitted)}

    async def events(self, invite_id: str) -> list[InviteEvent]:
        return list((await self.store.load(f"invite-{invite_id}")).events)


@pytest.fixture
async def world(stack: Stack) -> AsyncIterator[World]:
    async with boto(stack) as clients:
        prefix = f"{stack.settings.stack}-invites"
        store: DynamoDBEventStore[InviteEvent] = DynamoDBEventStore(
            clients.dynamodb,
            events=f"{prefix}-events",
            meta=f"{prefix}-meta",
            codec=Codec(InviteEvent),
        )
        world = World(stack, store)
        world.service.stop()
        changed = ["VisibilityTimeout"]
        before: dict[str, Any] = {}
        for url in world.queues:
            found = world.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=changed)
            before[url] = {name: found["Attributes"][name] for name in changed}
            attributes = {"VisibilityTimeout": "2"}
            world.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        yield world
        world.service.stop()
        for url, attributes in before.items():
            world.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)


def kill_points() -> list[str]:
    rng = random.Random(SEED)
    steps = [*SENDING_STEPS, *COMMAND_STEPS]
    others = [f"{rng.choice(steps)}:{rng.randint(1, 4)}" for _ in range(KILLS)]
    sending = ("before_mail", "after_mail", "before_intent", "after_result")
    return [*(f"{step}:1" for step in sending), *others][:KILLS]


@pytest.mark.timeout(60 + 20 * KILLS)
async def test_an_address_gets_a_second_mail_only_if_it_is_marked_as_such(
    world: World,
) -> None:
    await world.service.start(**SHORT_WAITS).ready()
    world.send(RegisterInviter(member_id=world.inviter, email="alice@example.com"))

    async def registered() -> bool:
        return bool((await world.store.load(f"inviter-{world.inviter}")).events)

    await eventually(registered)
    world.service.stop()
    addresses = []
    for number, step in enumerate(kill_points()):
        world.service.start(**SHORT_WAITS, FAILPOINT=step)
        addresses.append(f"{world.inviter[:10]}-{number}@example.org")
        world.send(SendInvite(inviter_id=world.inviter, email=addresses[-1]))
        assert await world.service.died(seconds=40) == -9, step
    await world.service.start(**SHORT_WAITS).ready()

    async def all_sent() -> bool:
        invitations = await world.invitations()
        histories = [await world.events(each) for each in invitations.values()]
        return len(invitations) == KILLS and all(
            any(isinstance(event, InviteSent) for event in events) for events in histories
        )

    await eventually(all_sent, seconds=60)
    invitations = await world.invitations()
    for invite_id in invitations.values():
        world.send(RevokeInvite(invite_id=invite_id, inviter_id=world.inviter))

    async def all_ended() -> bool:
        histories = [await world.events(each) for each in invitations.values()]
        return all(any(e.type in ENDINGS for e in events) for events in histories)

    await eventually(all_ended, seconds=60)
    doubled = counted = 0
    async with aiohttp.ClientSession() as session:
        for address in addresses:
            events = await world.events(invitations[address])
            mails = len(await inbox(world.stack, session, address))
            again = sum(isinstance(e, SendingStarted) and e.again for e in events)
            types: Counter[str] = Counter(event.type for event in events)
            assert types["InviteRequested"] == types["InviteSent"] == 1
            assert sum(types[ending] for ending in ENDINGS) == 1
            assert 1 <= mails <= 1 + again, (address, mails, events)
            doubled, counted = doubled + (mails > 1), counted + again
    figures = f"{KILLS} kills: {doubled} addresses with two mails, {counted} counted windows"
    print(figures)  # noqa: T201  shown by make chaos-invites
    assert counted >= doubled
