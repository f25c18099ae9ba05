"""A service waits out a Redis that refuses writes, says so, and stops without alarms meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from redis.asyncio import Redis

from chassis.bus.outcomes import Outcomes
from contracts.referrals import OpenAccount
from deploy.local.settings import LocalSettings
from tests.support.boto import Boto, boto
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack, local_settings

pytestmark = [pytest.mark.stack, pytest.mark.slow]

COMMANDS = 5
REPORTED = 'outages{dependency="redis"} 1.0'
SETTINGS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "OOM": ({"maxmemory": "1"}, {"maxmemory": "0"}),
    "NOREPLICAS": ({"min-replicas-to-write": "1"}, {"min-replicas-to-write": "0"}),
}
"""Code -> settings with which Redis refuses writes, and with which it accepts them."""


@pytest.fixture(scope="module")
def stack(
    aws: str, settings: LocalSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A log of this module: its events are projected into another Redis than the shared one."""
    own = local_settings(tmp_path_factory.mktemp("refusing")).model_copy(
        update={"aws_port": settings.aws_port, "stack": f"refusing{uuid4().hex[:8]}"}
    )
    assert own.aws_url == aws
    stack = Stack.deployed(own)
    yield stack
    stack.stop()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    server = RedisServer(tmp_path)
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
async def clients(stack: Stack) -> AsyncIterator[Boto]:
    async with boto(stack) as clients:
        yield clients


async def configure(redis: Any, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        await redis.config_set(name, value)


async def send(clients: Boto, member: str) -> None:
    await clients.sqs.send_message(
        QueueUrl=clients.commands,
        MessageBody=OpenAccount(member_id=member, email=f"{member}@example.com").model_dump_json(),
        MessageGroupId=f"member-{member}",
        MessageDeduplicationId=member,
        MessageAttributes={"command-id": {"DataType": "String", "StringValue": member}},
    )


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


@pytest.mark.parametrize("code", SETTINGS)
async def test_a_service_waits_while_redis_refuses_writes(
    stack: Stack, clients: Boto, server: RedisServer, code: str
) -> None:
    refusing, accepting = SETTINGS[code]
    service = stack.service("referrals")
    service.log.unlink(missing_ok=True)
    service.start(REDIS_URL=server.url)
    redis = Redis.from_url(server.url)
    try:
        await service.ready()
        await configure(redis, refusing)
        members = [str(uuid4()) for _ in range(COMMANDS)]
        for member in members:
            await send(clients, member)

        async def waiting() -> bool:
            try:
                status, body = await get(f"{service.url}/readyz")
            except aiohttp.ClientConnectorError:  # it is starting
                return False
            return status == 503 and f"redis: {code}" in json.loads(body)["detail"]

        await eventually(waiting)

        async def counted() -> list[str]:
            _, metrics = await get(f"{service.url}/metrics")
            return [line for line in metrics.splitlines() if line == REPORTED]

        await eventually(counted)
        assert (await get(f"{service.url}/healthz"))[0] == 200

        assert service.process is not None
        service.process.terminate()
        assert await service.died() == 0
        assert [line for line in service.lines if line["level"] in ("error", "critical")] == []

        service.start(REDIS_URL=server.url)
        await eventually(waiting)
        await configure(redis, accepting)
        outcomes = Outcomes(redis)
        for member in members:
            outcome = await eventually(partial(outcomes.get, member), seconds=40)
            assert outcome is not None
            assert outcome.state == "accepted"
        await service.ready()
        dead = await clients.sqs.get_queue_attributes(
            QueueUrl=clients.dead_letters, AttributeNames=["ApproximateNumberOfMessages"]
        )
        assert dead["Attributes"]["ApproximateNumberOfMessages"] == "0"
        started = [line for line in service.lines if line["event"] == "outage_started"]
        assert 1 <= len([line for line in started if line["code"] == code]) <= 3
    finally:
        await redis.aclose()
        await asyncio.to_thread(service.stop)
