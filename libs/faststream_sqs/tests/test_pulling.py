"""Messages for those who fetch them themselves, under virtual time."""

import asyncio

from faststream_sqs.tests.scripted import SQSModel
from faststream_sqs.tests.support import broker_of, now
from faststream_sqs.tests.warp import warp


def test_get_one_waits_takes_one_and_keeps_it() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=5)
        broker = broker_of(model)
        subscriber = broker.subscriber("jobs")
        await broker.start()
        assert await subscriber.get_one(timeout=1e-24) is None
        before = now()
        assert await subscriber.get_one(timeout=2.5) is None
        assert 2.4 < now() - before < 3
        model.put("jobs", '"x"')
        model.put("jobs", '"y"')
        message = await subscriber.get_one()
        assert message is not None
        assert await message.decode() == "x"
        assert len(model.in_flight("jobs")) == 1
        await asyncio.sleep(30)
        assert len(model.in_flight("jobs")) == 1
        await message.ack()
        await broker.stop()
        assert model.bodies("jobs") == ['"y"']

    warp(main)


def test_a_cancelled_get_one_gives_back_what_its_poll_brings() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        broker = broker_of(model)
        subscriber = broker.subscriber("jobs")
        await broker.start()
        pulling = asyncio.create_task(subscriber.get_one(timeout=20))
        await model.until(lambda: bool(model.called("ReceiveMessage")))
        pulling.cancel()
        await asyncio.sleep(1)
        model.put("jobs", "x")
        await model.until(lambda: bool(model.called("ChangeMessageVisibilityBatch")))
        await broker.stop()
        assert len(model.visible("jobs")) == 1

    warp(main)


def test_iteration_brings_one_after_another_and_ends_at_stop() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        broker = broker_of(model)
        subscriber = broker.subscriber("jobs", wait_time_seconds=1)
        await broker.start()
        seen: list[int] = []

        async def iterate() -> None:
            async for message in subscriber:
                seen.append(await message.decode())  # type: ignore[arg-type]
                await message.ack()
                model.notify()

        iterating = asyncio.create_task(iterate())
        for number in range(3):
            model.put("jobs", str(number))
        await model.until(lambda: len(seen) == 3)
        await broker.stop()
        await iterating
        assert seen == [0, 1, 2]
        assert model.bodies("jobs") == []

    warp(main)
