"""A whole system of its own, whose parts can be killed, emptied and lied to."""

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aioboto3

from deploy.local.settings import LocalSettings
from redis_batching.connection import connect
from tests.support.nursery import Forked
from tests.support.reply_dropper import ReplyDropper, reply_dropper
from tests.support.stack import Service, Stack, local_settings, start_redis, stop

SERVICES = ("referrals", "invites")
VISIBILITY_SECONDS = 3


@dataclass
class World:
    stack: Stack
    dropper: ReplyDropper
    """Stands between the services and AWS; the gateway and the verdict speak to AWS itself."""
    redis: Any
    dynamodb: Any
    sqs: Any
    redis_process: subprocess.Popen[bytes]
    rebuilds: list[Forked] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.stack.settings.stack

    @property
    def gateway(self) -> Service:
        return self.stack.service("gateway")

    def start(self, service: str, **extra: str) -> Service:
        return self.stack.service(service).start(AWS_ENDPOINT_URL=self.dropper.url, **extra)

    async def start_all(self) -> None:
        for service in SERVICES:
            self.start(service)
        self.gateway.start(OUTCOME_WAIT_SECONDS="1")
        for service in (*SERVICES, "gateway"):
            await self.stack.service(service).ready(seconds=60)

    async def kill(self, service: Service) -> None:
        if service.process is not None and service.alive:
            service.process.kill()
            await service.died()

    async def restart_redis(self) -> None:
        """As a host that is lost: without a save, and empty when it is back."""
        self.redis_process.kill()
        await asyncio.to_thread(self.redis_process.wait)
        self.redis_process = await asyncio.to_thread(start_redis, self.stack.settings)
        await self.redis.connection_pool.disconnect()

    def rebuild(self, *words: str, **extra: str) -> None:
        environment = {**os.environ, **self.stack.environment, **extra}
        log = self.stack.settings.state / "rebuilds.log"
        self.rebuilds.append(Forked(["referrals", "rebuild", *words], environment, log))

    def tell(self) -> None:
        """What the services said last, for whoever looks into a failure."""
        for service in self.stack.services.values():
            print(f"--- {service.name}\n{service.log.read_text()[-6_000:]}")  # noqa: T201

    async def rebuilds_ended(self) -> list[int]:
        codes = [await asyncio.to_thread(process.wait, 60) for process in self.rebuilds]
        self.rebuilds.clear()
        return codes


async def _patient(world: World) -> None:
    """Killed again and again a process may leave one message often: that is not poison here.

    And a message is back after seconds, as there is more to be broken.
    """
    listed = await world.sqs.list_queues(QueueNamePrefix=f"{world.name}-")
    for url in (url for url in listed["QueueUrls"] if "-dlq" not in url):
        found = await world.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
        policy = json.loads(found["Attributes"]["RedrivePolicy"]) | {"maxReceiveCount": 100}
        changed = {
            "RedrivePolicy": json.dumps(policy),
            "VisibilityTimeout": str(VISIBILITY_SECONDS),
        }
        await world.sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)


@contextlib.asynccontextmanager
async def world(settings: LocalSettings, aws_url: str, name: str = "chaos") -> AsyncIterator[World]:
    """`settings` are those of the session: the local AWS is shared, nothing else is."""
    own = local_settings(settings.state / name).model_copy(
        update={"stack": name, "aws_port": settings.aws_port}
    )
    assert own.aws_url == aws_url
    stack = await asyncio.to_thread(Stack.deployed, own)
    process = await asyncio.to_thread(start_redis, own)
    options = {
        "endpoint_url": aws_url,
        "region_name": stack.environment["AWS_REGION"],
        "aws_access_key_id": stack.environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": stack.environment["AWS_SECRET_ACCESS_KEY"],
    }
    session = aioboto3.Session()
    async with (
        reply_dropper(aws_url) as dropper,
        session.client("dynamodb", **options) as dynamodb,
        session.client("sqs", **options) as sqs,
        contextlib.aclosing(connect(own.redis_url)) as redis,
    ):
        it = World(stack, dropper, redis, dynamodb, sqs, process)
        await _patient(it)
        try:
            yield it
        except BaseException:
            it.tell()
            raise
        finally:
            for rebuild in it.rebuilds:
                stop(rebuild)
            await asyncio.to_thread(stack.stop)
            stop(it.redis_process)
