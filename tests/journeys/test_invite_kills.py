"""`kill -9` between any two steps of a mail: one mail for each address, but for a counted window.

`INVITE_KILLS=50` (make chaos-invites) kills at more places of the whole road, chosen by chance.
"""

import json
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
HASTY = {"MAIL_PATIENCE_SECONDS": "3", "TICK_SECONDS": "0.2"}
ENDINGS = {"InviteAccepted", "InviteDeclined", "InviteRevoked", "InviteExpired"}


class World:
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

    async def letters(self) -> dict[str, str]:
        """Address -> invitation."""
        history = await self.store.load(f"inviter-{self.inviter}")
        return {e.email: e.invite_id for e in history.events if isinstance(e, InviteAdmitted)}

    async def told(self, invite_id: str) -> list[InviteEvent]:
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
        changed = ["VisibilityTimeout", "RedrivePolicy"]
        before: dict[str, Any] = {}
        for url in world.queues:
            found = world.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=changed)
            before[url] = {name: found["Attributes"][name] for name in changed}
            policy = json.loads(before[url]["RedrivePolicy"]) | {"maxReceiveCount": 100}
            attributes = {"VisibilityTimeout": "2", "RedrivePolicy": json.dumps(policy)}
            world.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        yield world
        world.service.stop()
        for url, attributes in before.items():
            world.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)


def places() -> list[str]:
    chance = random.Random(SEED)
    steps = [*SENDING_STEPS, *COMMAND_STEPS]
    more = [f"{chance.choice(steps)}:{chance.randint(1, 4)}" for _ in range(KILLS)]
    around = ("before_mail", "after_mail", "before_intent", "after_result")
    return [*(f"{place}:1" for place in around), *more][:KILLS]


@pytest.mark.timeout(60 + 20 * KILLS)
async def test_no_address_gets_two_mails_but_in_the_counted_window(world: World) -> None:
    await world.service.start(**HASTY).ready()
    world.send(RegisterInviter(member_id=world.inviter, email="alice@example.com"))

    async def registered() -> bool:
        return bool((await world.store.load(f"inviter-{world.inviter}")).events)

    await eventually(registered)
    world.service.stop()
    addresses = []
    for number, place in enumerate(places()):
        world.service.start(**HASTY, FAILPOINT=place)
        addresses.append(f"{world.inviter[:10]}-{number}@example.org")
        world.send(SendInvite(inviter_id=world.inviter, email=addresses[-1]))
        assert await world.service.died(seconds=40) == -9, place
    await world.service.start(**HASTY).ready()

    async def all_sent() -> bool:
        letters = await world.letters()
        told = [await world.told(each) for each in letters.values()]
        return len(letters) == KILLS and all(
            any(isinstance(event, InviteSent) for event in events) for events in told
        )

    await eventually(all_sent, seconds=60)
    letters = await world.letters()
    for name in letters.values():
        world.send(RevokeInvite(invite_id=name, inviter_id=world.inviter))

    async def all_ended() -> bool:
        told = [await world.told(each) for each in letters.values()]
        return all(any(e.type in ENDINGS for e in events) for events in told)

    await eventually(all_ended, seconds=60)
    doubled = counted = 0
    async with aiohttp.ClientSession() as session:
        for address in addresses:
            events = await world.told(letters[address])
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
