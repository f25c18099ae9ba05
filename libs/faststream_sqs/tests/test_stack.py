"""The transport on the local AWS: a second service than our own to agree with."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from faststream_sqs import SQSBroker, SQSQueue

pytestmark = pytest.mark.stack


@pytest.fixture
def session() -> Any:
    """The session of the broker; None: a new one of aiobotocore."""
    return None


async def test_declared_queues_keep_order_redrive_and_answer(aws: str, session: Any) -> None:
    name = uuid4().hex[:8]
    broker = SQSBroker(
        endpoint_url=aws,
        region_name="eu-west-2",
        aws_access_key_id="246813579246",
        aws_secret_access_key="local",
        logger=None,
        session=session,
        declare=True,
        send_linger=0.002,
    )
    dead = SQSQueue(f"{name}-dead.fifo")
    jobs = SQSQueue(
        f"{name}.fifo",
        visibility_timeout=5,
        content_based_deduplication=True,
        dead_letter_queue=dead,
        max_receive_count=3,
    )
    done: dict[int, list[int]] = {}
    failing = {3}
    finished = asyncio.Event()

    @broker.subscriber(jobs, max_workers=4, max_messages=2, wait_time_seconds=1, retry_delay=0)
    async def handle(number: int) -> None:
        if number in failing:
            failing.discard(number)
            raise ValueError(number)
        if number == 17:
            raise ValueError(number)
        done.setdefault(number % 2, []).append(number)
        if sum(map(len, done.values())) == 19:
            finished.set()

    @broker.subscriber(f"{name}-echo", wait_time_seconds=1)
    async def echo(body: str) -> str:
        return body

    graves = broker.subscriber(dead, wait_time_seconds=1)
    await broker.start()
    await asyncio.gather(*(broker.publish(n, jobs.name, group_id=f"g{n % 2}") for n in range(20)))
    reply = await broker.request("hello", f"{name}-echo", timeout=10)
    assert await reply.decode() == "hello"
    async with asyncio.timeout(30):
        await finished.wait()
        buried = await graves.get_one(timeout=10)
    assert buried is not None
    assert await buried.decode() == 17
    await buried.ack()
    await broker.stop()
    assert all(numbers == sorted(numbers) for numbers in done.values())
