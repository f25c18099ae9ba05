"""Inject faults that are drawn from one seed."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chassis.resilience.failpoint import COMMAND_STEPS
from tests.chaos.system import System

REBUILD_STEPS = ("mid_page", "before_checkpoint", "before_switch")
WRITES = ("PutItem", "TransactWriteItems", "SendMessageBatch", "DeleteMessageBatch", "Query")
DEATH_SECONDS = 8


@dataclass
class Faults:
    """Inject faults into a system."""

    system: System
    chance: random.Random

    def all(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "a service dies between two steps": self.kill_at_a_step,
            "a subscriber dies": self.kill_subscriber,
            "the gateway dies": self.kill_gateway,
            "Redis is emptied": self.empty_redis,
            "Redis dies and comes back empty": self.system.restart_redis,
            "replies are lost": self.lose_replies,
            "messages are repeated out of order": self.repeat_messages,
            "two rebuilds race and one dies": self.race_rebuilds,
        }

    async def kill_at_a_step(self) -> None:
        step = self.chance.choice(COMMAND_STEPS)
        referrals = self.system.stack.service("referrals")
        await self.system.kill(referrals)
        self.system.start("referrals", FAILPOINT=f"{step}:{self.chance.randint(1, 15)}")
        try:
            await referrals.died(seconds=DEATH_SECONDS)
        except Exception:  # noqa: BLE001  it did not reach the step in time
            await self.system.kill(referrals)
        self.system.start("referrals")

    async def kill_subscriber(self) -> None:
        await self.system.kill(self.system.stack.service("invites"))
        self.system.start("invites")

    async def kill_gateway(self) -> None:
        await self.system.kill(self.system.gateway)
        await self.system.start_gateway().ready(seconds=60)

    async def empty_redis(self) -> None:
        await self.system.redis.flushall()

    async def lose_replies(self) -> None:
        self.system.proxy.lose(self.chance.randint(3, 12), *WRITES)

    async def repeat_messages(self) -> None:
        """Send old commands again, in random order; SQS does not deduplicate them."""
        name = self.system.name
        page = await self.system.dynamodb.scan(TableName=f"{name}-referrals-events", Limit=20)
        queue = await self.system.sqs.get_queue_url(QueueName=f"{name}-referrals-commands.fifo")
        items = page["Items"]
        self.chance.shuffle(items)
        for item in items:
            opened = json.loads(item["e"]["S"])[0]["d"]
            body = {"type": "OpenAccount"} | {k: opened[k] for k in ("memberId", "email")}
            await self.system.sqs.send_message(
                QueueUrl=queue["QueueUrl"],
                MessageBody=json.dumps(body),
                MessageGroupId=item["p"]["S"],
                MessageDeduplicationId=f"again-{self.chance.getrandbits(64)}",
                MessageAttributes={
                    header: {"DataType": "String", "StringValue": value}
                    for header, value in {
                        "command-id": item["c"]["S"],
                        "body-hash": item["h"]["S"],
                        "correlation_id": "chaos",
                        "content-type": "application/json",
                    }.items()
                },
            )

    async def race_rebuilds(self) -> None:
        name = self.chance.choice(("members", "codes"))
        self.system.rebuild(name, FAILPOINT=f"{self.chance.choice(REBUILD_STEPS)}:1")
        self.system.rebuild(name)
        await asyncio.sleep(self.chance.random())  # a random overlap
        self.system.rebuild("members", "--segments", "2")
