"""Several messages for one call of the handler, under virtual time."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from faststream.exceptions import NackMessage

from faststream_sqs.tests.scripted import SQSModel
from faststream_sqs.tests.support import broker_of, now
from faststream_sqs.tests.warp import warp

if TYPE_CHECKING:
    from faststream_sqs.message import SQSBatchMessage


def test_batches_run_at_the_same_time() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        broker = broker_of(model)
        running = most = 0
        sizes: list[int] = []

        @broker.subscriber("jobs", batch=True, max_workers=3)
        async def handle(bodies: list[int]) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            sizes.append(len(bodies))
            await asyncio.sleep(1)
            running -= 1

        for number in range(30):
            model.put("jobs", str(number))
        await broker.start()
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        assert (most, sizes) == (3, [10, 10, 10])

    warp(main)


def test_what_a_batch_settled_by_itself_stays_settled() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        broker = broker_of(model)
        seen: list[list[int]] = []

        @broker.subscriber("jobs", batch=True, wait_time_seconds=1, max_messages=4)
        async def handle(bodies: list[int]) -> None:
            batch: SQSBatchMessage = broker.context.get_local("message")
            seen.append(bodies)
            if len(seen) == 1:
                await batch.ack_partial([0, 2])
                raise ValueError
            if len(seen) == 2:
                await batch.nack_partial([1], delay=0)

        for number in range(4):
            model.put("jobs", str(number))
        await broker.start()
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        assert seen == [[0, 1, 2, 3], [1, 3], [3]]

    warp(main)


def test_a_partial_nack_takes_the_followers_of_its_group_along() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs.fifo")
        broker = broker_of(model)
        seen: list[list[str]] = []

        @broker.subscriber("jobs.fifo", batch=True, wait_time_seconds=1)
        async def handle(bodies: list[str]) -> None:
            batch: SQSBatchMessage = broker.context.get_local("message")
            seen.append(bodies)
            if len(seen) == 1:
                await batch.nack_partial([bodies.index("a1")], delay=1)

        for body in ("a0", "b0", "a1", "b1", "a2", "b2"):
            model.put("jobs.fifo", body, body[0])
        await broker.start()
        await model.until(lambda: not model.bodies("jobs.fifo"))
        await broker.stop()
        assert seen == [["a0", "b0", "a1", "b1", "a2", "b2"], ["a1"], ["a2"]]

    warp(main)


@pytest.mark.parametrize("call", ["DeleteMessageBatch", "ChangeMessageVisibilityBatch"])
def test_each_message_is_settled_alone_when_sqs_refuses_the_complete_call(call: str) -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=500)
        model.fail(call, "InvalidParameterValue")
        broker = broker_of(model)
        receives = 0

        @broker.subscriber("jobs", batch=True, wait_time_seconds=1)
        async def handle(bodies: list[int]) -> None:
            nonlocal receives
            receives += len(bodies)
            if receives == 3 and call != "DeleteMessageBatch":
                raise NackMessage(delay=2)

        for number in range(3):
            model.put("jobs", str(number))
        await broker.start()
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        assert [len(each.entries) for each in model.called(call)] == [3, 1, 1, 1]
        assert receives == (3 if call == "DeleteMessageBatch" else 6)
        assert now() < 100

    warp(main)
