"""Inject faults that are drawn from one seed."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from chassis.resilience.failpoint import COMMAND_STEPS
from tests.chaos import checks, refusals
from tests.chaos.system import System
from tests.chaos.world import World
from tests.support.eventually import eventually

REBUILD_STEPS = ("mid_page", "before_checkpoint", "before_switch")
WRITES = ("PutItem", "TransactWriteItems", "SendMessageBatch", "DeleteMessageBatch", "Query")
DEATH_SECONDS = 8


@dataclass
class Faults:
    """Inject faults into a system."""

    world: World
    chance: random.Random

    @property
    def system(self) -> System:
        return self.world.system

    def all(self) -> dict[str, Callable[[], Awaitable[None]]]:
        refusing = {kind: partial(self.refuse, kind) for kind in refusals.ALL}
        return refusing | {
            "a service dies between two steps": self.kill_at_a_step,
            "a subscriber dies": self.kill_subscriber,
            "the gateway dies": self.kill_gateway,
            "Redis is emptied": self.empty_redis,
            "Redis dies and comes back empty": self.system.restart_redis,
            "replies are lost": self.lose_replies,
            "messages are repeated out of order": self.repeat_messages,
            "two rebuilds race and one dies": self.race_rebuilds,
            "a service that receives nothing else dies": self.kill_compute,
            "Redis fails over": self.fail_over,
            "Redis fails over, and the old primary lives on": self.demote,
            "Redis fails over to a replica that lags": self.fail_over_with_lag,
            "Redis evicts keys": self.evict,
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

    async def refuse(self, kind: str) -> None:
        async with refusals.ALL[kind](self.system):
            await asyncio.sleep(self.chance.uniform(1, 6))  # the length of the refusal

    async def fail_over(self) -> None:
        await self._fail_over(keep_old=False)

    async def demote(self) -> None:
        await self._fail_over(keep_old=True)

    async def fail_over_with_lag(self) -> None:
        await self._fail_over(keep_old=self.chance.random() < 0.5, lag=self.chance.uniform(0.5, 3))

    async def _fail_over(self, *, keep_old: bool, lag: float = 0) -> None:
        pair = self.system.redis_pair
        await pair.replace_replica()
        if lag:
            pair.freeze()
            await asyncio.sleep(lag)  # what is written meanwhile is lost
        await pair.fail_over(keep_old=keep_old)

    async def evict(self) -> None:
        """Let Redis evict keys, as under a policy with which services refuse to start."""
        node = self.system.redis_pair.primary
        used = (await node.info("memory"))["used_memory"]
        await node.configure(maxmemory_policy="allkeys-random", maxmemory=str(int(used * 0.95)))

        async def evicted() -> bool:
            return bool((await node.info("stats"))["evicted_keys"])

        try:
            await eventually(evicted, seconds=20)
        finally:
            await node.configure(maxmemory="0", maxmemory_policy="noeviction")

    async def kill_compute(self) -> None:
        await self.world.request_analysis()
        await self.system.kill(self.system.stack.service("compute"))
        self.system.start("compute")

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
            first = checks.events_of([item])[0]
            if first["t"] != "AccountOpened":
                continue
            opened = first["d"]
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
