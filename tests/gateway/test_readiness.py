"""The gateway is ready while Redis and SQS answer, and otherwise names what does not."""

import asyncio
from typing import Any

import pytest
from botocore.exceptions import ClientError
from redis.exceptions import ConnectionError as RedisConnectionError

from chassis.resilience.outages import Outages
from chassis.run.health import Health
from gateway.clients import QueueCheck
from gateway.http.redis_losses import POLL_SECONDS, RETRY_SECONDS, RedisLosses
from tests.gateway.conftest import GatewayClient
from tests.support.eventually import eventually


class Sqs:
    """SQS as far as looking up queues needs it."""

    error: Exception | None = None
    looked_up: list[str]

    def __init__(self) -> None:
        self.looked_up = []

    async def get_queue_url(self, QueueName: str) -> dict[str, Any]:  # noqa: N803  boto's name
        if self.error is not None:
            raise self.error
        self.looked_up.append(QueueName)
        return {"QueueUrl": QueueName}


async def test_each_check_asks_sqs_also_after_all_queues_were_found() -> None:
    sqs = Sqs()
    check = QueueCheck(sqs, ["b", "a"])
    health = Health({"bus": check.all_exist})
    assert await health.failing() == {}
    assert sqs.looked_up == ["a", "b"]
    response: Any = {"Error": {"Code": "ExpiredToken", "Message": "The token has expired"}}
    sqs.error = ClientError(response, "GetQueueUrl")
    assert "ExpiredToken" in (await health.failing())["bus"]
    sqs.error = None
    assert await health.failing() == {}


@pytest.mark.parametrize("task", ["outcomes", "changes"])
async def test_a_subscription_that_is_lost_is_named(task: str, client: GatewayClient) -> None:
    failing = client.gateway.health.failing
    assert await failing() == {}
    gateway = client.gateway
    subscription = {
        "outcomes": gateway.listener.subscription,
        "changes": gateway.dependencies.changes.subscription,
    }[task]
    subscription.listening, subscription.last_error = False, "ConnectionError: gone"
    assert (await failing())[task] == "ConnectionError: gone"


async def test_readyz_names_an_eviction_policy_that_is_set_after_the_start(
    client: GatewayClient,
) -> None:
    nodes = await client.gateway.dependencies.read_models.redis.primaries()
    for node in nodes:
        await node.config_set("maxmemory-policy", "allkeys-lru")
    try:
        failing = await client.gateway.health.failing()
    finally:
        for node in nodes:
            await node.config_set("maxmemory-policy", "noeviction")
    assert "set it to noeviction" in failing["eviction policy"]

    async def ready() -> bool:
        return not await client.gateway.health.failing()

    await eventually(ready)


async def test_a_background_task_that_fails_is_named_and_started_again(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a task raises: here an error that no code expects."""
    broken, look = asyncio.Event(), RedisLosses.look
    broken.set()

    async def fail_while_broken(self: Any) -> None:
        if broken.is_set():
            raise ValueError("a bug")
        await look(self)

    monkeypatch.setattr(RedisLosses, "look", fail_while_broken)
    monkeypatch.setattr("gateway.http.redis_losses.POLL_SECONDS", 0.01)
    monkeypatch.setattr("gateway.http.redis_losses.RETRY_SECONDS", 0.01)

    async def named() -> bool:
        return any("losses of Redis" in name for name in await client.gateway.health.failing())

    async def recovered() -> bool:
        return not await client.gateway.health.failing()

    await eventually(named)
    broken.clear()
    await eventually(recovered)


async def test_an_outage_ends_with_the_first_look_that_succeeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A gateway stays unready for no longer than Redis is away."""
    outages, pauses = Outages(), []
    losses = RedisLosses(None, outages=outages)
    looks = iter([RedisConnectionError("away")] * 5)
    named: list[dict[str, str]] = []

    async def look(_: RedisLosses) -> None:
        for error in looks:
            raise error

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        named.append(outages.reasons)
        if not outages.reasons:
            raise asyncio.CancelledError

    monkeypatch.setattr(RedisLosses, "look", look)
    monkeypatch.setattr("gateway.http.redis_losses.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await losses.watch()
    assert [set(reasons) for reasons in named] == [{"redis"}] * 5 + [set()]
    assert pauses == [RETRY_SECONDS] * 5 + [POLL_SECONDS]
