"""What goes wrong, drawn by chance from one seed."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chassis.resilience.failpoint import COMMAND_STEPS
from tests.chaos.world import World

REBUILD_ROAD = ("mid_page", "before_checkpoint", "before_switch")
WRITES = ("PutItem", "TransactWriteItems", "SendMessageBatch", "DeleteMessageBatch", "Query")
DEATH_SECONDS = 8


@dataclass
class Faults:
    world: World
    chance: random.Random

    def every(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "a service dies between two steps": self.dies_on_the_road,
            "a listener dies": self.listener_dies,
            "the gateway dies": self.gateway_dies,
            "Redis is emptied": self.redis_is_emptied,
            "Redis dies and comes back empty": self.world.restart_redis,
            "replies are lost": self.replies_are_lost,
            "messages come twice and out of order": self.messages_come_twice,
            "two rebuilds race and one dies": self.rebuilds_race,
        }

    async def dies_on_the_road(self) -> None:
        place = self.chance.choice(COMMAND_STEPS)
        referrals = self.world.stack.service("referrals")
        await self.world.kill(referrals)
        self.world.start("referrals", FAILPOINT=f"{place}:{self.chance.randint(1, 15)}")
        try:
            await referrals.died(seconds=DEATH_SECONDS)
        except Exception:  # noqa: BLE001  it did not come there in time
            await self.world.kill(referrals)
        self.world.start("referrals")

    async def listener_dies(self) -> None:
        await self.world.kill(self.world.stack.service("invites"))
        self.world.start("invites")

    async def gateway_dies(self) -> None:
        await self.world.kill(self.world.gateway)
        await self.world.gateway.start(OUTCOME_WAIT_SECONDS="1").ready(seconds=60)

    async def redis_is_emptied(self) -> None:
        await self.world.redis.flushall()

    async def replies_are_lost(self) -> None:
        self.world.dropper.lose(self.chance.randint(3, 12), *WRITES)

    async def messages_come_twice(self) -> None:
        """Commands of long ago, under their ids, in any order, deduplicated by nobody."""
        name = self.world.name
        page = await self.world.dynamodb.scan(TableName=f"{name}-referrals-events", Limit=20)
        queue = await self.world.sqs.get_queue_url(QueueName=f"{name}-referrals-commands.fifo")
        items = page["Items"]
        self.chance.shuffle(items)
        for item in items:
            opened = json.loads(item["e"]["S"])[0]["d"]
            body = {"type": "OpenAccount"} | {k: opened[k] for k in ("memberId", "email")}
            await self.world.sqs.send_message(
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

    async def rebuilds_race(self) -> None:
        name = self.chance.choice(("members", "codes"))
        self.world.rebuild(name, FAILPOINT=f"{self.chance.choice(REBUILD_ROAD)}:1")
        self.world.rebuild(name)
        await asyncio.sleep(self.chance.random())  # the moment is the point
        self.world.rebuild("members", "--segments", "2")
