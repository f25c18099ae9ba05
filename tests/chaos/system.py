"""Run a complete, separate system whose parts can be killed, emptied and cut off."""

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
from tests.support.forked_process import ForkedProcess
from tests.support.reply_dropper import ReplyDropper, reply_dropper
from tests.support.stack import Service, Stack, local_settings, start_redis, stop

SERVICES = ("referrals", "invites")
VISIBILITY_SECONDS = 3


@dataclass
class System:
    """Hold the processes of a system and clients of its stores."""

    stack: Stack
    dropper: ReplyDropper
    """Proxy between the services and AWS; the gateway and the checks connect to AWS directly."""
    redis: Any
    dynamodb: Any
    sqs: Any
    redis_process: subprocess.Popen[bytes]
    rebuilds: list[ForkedProcess] = field(default_factory=list)

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
        """Kill Redis without a save, as if its host were lost, and start an empty one."""
        self.redis_process.kill()
        await asyncio.to_thread(self.redis_process.wait)
        self.redis_process = await asyncio.to_thread(start_redis, self.stack.settings)
        await self.redis.connection_pool.disconnect()

    def rebuild(self, *arguments: str, **extra: str) -> None:
        environment = {**os.environ, **self.stack.environment, **extra}
        log = self.stack.settings.state / "rebuilds.log"
        self.rebuilds.append(ForkedProcess(["referrals", "rebuild", *arguments], environment, log))

    def print_logs(self) -> None:
        """Print the last log lines of each service."""
        for service in self.stack.services.values():
            print(f"--- {service.name}\n{service.log.read_text()[-6_000:]}")  # noqa: T201

    async def rebuilds_ended(self) -> list[int]:
        codes = [await asyncio.to_thread(process.wait, 60) for process in self.rebuilds]
        self.rebuilds.clear()
        return codes


async def _redeliver_soon_and_often(system: System) -> None:
    """Redeliver messages of killed processes after seconds, and never move them to dead letters.

    Many kills in a row may hit the same message, which is not poisonous because of that.
    """
    listed = await system.sqs.list_queues(QueueNamePrefix=f"{system.name}-")
    for url in (url for url in listed["QueueUrls"] if "-dlq" not in url):
        found = await system.sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["RedrivePolicy"]
        )
        policy = json.loads(found["Attributes"]["RedrivePolicy"]) | {"maxReceiveCount": 100}
        changed = {
            "RedrivePolicy": json.dumps(policy),
            "VisibilityTimeout": str(VISIBILITY_SECONDS),
        }
        await system.sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)


@contextlib.asynccontextmanager
async def run_system(
    settings: LocalSettings, aws_url: str, name: str = "chaos"
) -> AsyncIterator[System]:
    """Deploy a separate stack; only the local AWS of `settings` is shared with other tests."""
    separate = local_settings(settings.state / name).model_copy(
        update={"stack": name, "aws_port": settings.aws_port}
    )
    assert separate.aws_url == aws_url
    stack = await asyncio.to_thread(Stack.deployed, separate)
    process = await asyncio.to_thread(start_redis, separate)
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
        contextlib.aclosing(connect(separate.redis_url)) as redis,
    ):
        system = System(stack, dropper, redis, dynamodb, sqs, process)
        await _redeliver_soon_and_often(system)
        try:
            yield system
        except BaseException:
            system.print_logs()
            raise
        finally:
            for rebuild in system.rebuilds:
                stop(rebuild)
            await asyncio.to_thread(stack.stop)
            stop(system.redis_process)
