"""Run a complete, separate system whose parts can be killed, emptied and cut off."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import aioboto3

from deploy.local.programs import stop
from deploy.local.settings import LocalSettings
from redis_batching.connection import connect
from tests.chaos.shards import Shards, run_shards
from tests.support.aws_proxy import AwsProxy, aws_proxy
from tests.support.forked_process import ForkedProcess
from tests.support.redis_pair import RedisPair, redis_pair
from tests.support.stack import Service, Stack, local_settings

SERVICES = ("referrals", "invites")
"""The services that a system runs by default, next to the gateway."""
VISIBILITY_SECONDS = 3
SHOWN_ERRORS = 3
"""Errors of a service that are shown when a test fails; one has its traceback in its line."""


@dataclass
class System:
    """Hold the processes of a system and clients of its stores."""

    stack: Stack
    proxy: AwsProxy
    """Proxy between the services and AWS; the gateway and the checks connect to AWS directly."""
    redis_servers: RedisPair | Shards
    redis: Any
    """Client of Redis by the name that the services use."""
    dynamodb: Any
    sqs: Any
    services: tuple[str, ...] = SERVICES
    environment: dict[str, dict[str, str]] = field(default_factory=dict)
    """Service -> variables that it gets at each start."""
    rebuilds: list[ForkedProcess] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.stack.settings.stack

    @property
    def redis_pair(self) -> RedisPair:
        assert isinstance(self.redis_servers, RedisPair)
        return self.redis_servers

    @property
    def shards(self) -> Shards:
        assert isinstance(self.redis_servers, Shards)
        return self.redis_servers

    @property
    def gateway(self) -> Service:
        return self.stack.service("gateway")

    def start(self, service: str, **extra: str) -> Service:
        variables = self.environment.get(service, {}) | extra
        return self.stack.service(service).start(AWS_ENDPOINT_URL=self.proxy.url, **variables)

    def start_gateway(self) -> Service:
        variables = {"OUTCOME_WAIT_SECONDS": "1"} | self.environment.get("gateway", {})
        return self.gateway.start(**variables)

    async def start_all(self) -> None:
        for service in self.services:
            self.start(service)
        self.start_gateway()
        for service in (*self.services, "gateway"):
            await self.stack.service(service).ready(seconds=60)

    def assert_alive(self) -> None:
        """Check that no process has ended by itself."""
        for service in (*self.services, "gateway"):
            assert self.stack.service(service).alive, f"{service} has ended"

    async def kill(self, service: Service) -> None:
        if service.process is not None and service.alive:
            service.process.kill()
            await service.died()

    async def restart_redis(self) -> None:
        """Kill Redis without a save, as if its host were lost, and start an empty one."""
        await self.redis_pair.restart()

    def rebuild(self, *arguments: str, service: str = "referrals", **extra: str) -> None:
        environment = {**os.environ, **self.stack.environment_of(service), **extra}
        log = self.stack.settings.state / "rebuilds.log"
        self.rebuilds.append(ForkedProcess([service, "rebuild", *arguments], environment, log))

    @contextlib.contextmanager
    def logs_on_failure(self) -> Iterator[None]:
        """Print the last log lines of each service if the body of the context fails."""
        try:
            yield
        except BaseException:
            self.print_logs()
            raise

    def print_logs(self) -> None:
        """Print the errors of each service, the first ones in full, and its last log lines."""
        for service in self.stack.services.values():
            text = service.log.read_text()
            errors = [line for line in text.splitlines() if '"level":"error"' in line]
            shown = "\n".join(errors[:SHOWN_ERRORS])
            print(f"--- {service.name}: {len(errors)} errors\n{shown}\n{text[-2_000:]}")  # noqa: T201

    async def rebuilds_ended(self) -> list[int]:
        codes = [await asyncio.to_thread(process.wait, 60) for process in self.rebuilds]
        self.rebuilds.clear()
        return codes


async def _redeliver_soon(system: System) -> None:
    """Redeliver messages of killed processes after seconds."""
    listed = await system.sqs.list_queues(QueueNamePrefix=f"{system.name}-")
    for url in (url for url in listed["QueueUrls"] if "-dlq" not in url):
        changed = {"VisibilityTimeout": str(VISIBILITY_SECONDS)}
        await system.sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)


@contextlib.asynccontextmanager
async def run_system(
    settings: LocalSettings, aws_url: str, name: str = "chaos", *, sharded: bool = False
) -> AsyncIterator[System]:
    """Deploy a separate stack; only the local AWS of `settings` is shared with other tests.

    Redis is a primary behind a name, or if `sharded` three of them in a cluster, with replicas.
    """
    separate = local_settings(settings.state / name).model_copy(
        update={"stack": name, "aws_port": settings.aws_port}
    )
    assert separate.aws_url == aws_url
    stack = await asyncio.to_thread(Stack.deployed, separate)
    options = {
        "endpoint_url": aws_url,
        "region_name": stack.environment["AWS_REGION"],
        "aws_access_key_id": stack.environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": stack.environment["AWS_SECRET_ACCESS_KEY"],
    }
    session = aioboto3.Session()
    run_redis = run_shards if sharded else redis_pair
    async with (
        aws_proxy(stack.environment_of("")["AWS_ENDPOINT_URL"]) as proxy,
        run_redis(separate.state / "nodes", separate.redis_port) as servers,
        session.client("dynamodb", **options) as dynamodb,
        session.client("sqs", **options) as sqs,
        contextlib.aclosing(connect(separate.redis_url)) as redis,
    ):
        system = System(stack, proxy, servers, redis, dynamodb, sqs)
        await _redeliver_soon(system)
        try:
            with system.logs_on_failure():
                yield system
        finally:
            for rebuild in system.rebuilds:
                stop(rebuild)
            await asyncio.to_thread(stack.stop)
