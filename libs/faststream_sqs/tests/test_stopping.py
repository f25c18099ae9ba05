"""Stopping, and starting again, under virtual time."""

import asyncio
from typing import Any

from faststream.exceptions import (
    StopConsume,
)
from faststream.middlewares import AckPolicy

from faststream_sqs import SQSBroker
from faststream_sqs.tests.scripted import InProcessSession, SQSModel
from faststream_sqs.tests.support import broker_of, now
from faststream_sqs.tests.warp import warp


def test_what_the_last_poll_brings_is_given_back() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        broker = broker_of(model)

        @broker.subscriber("jobs")
        async def handle(_: Any) -> None:
            raise AssertionError

        await broker.start()
        await model.until(lambda: bool(model.called("ReceiveMessage")))
        stopping = asyncio.create_task(broker.stop())
        await asyncio.sleep(1)
        model.put("jobs", "late")
        await stopping
        assert len(model.visible("jobs")) == 1

    warp(main)


def test_a_handler_that_outlasts_the_timeout_is_cancelled_and_its_message_given_back() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=600)
        broker = broker_of(model, graceful_timeout=5.0)
        cancelled = False

        @broker.subscriber("jobs")
        async def handle(_: Any) -> None:
            nonlocal cancelled
            try:
                await asyncio.sleep(10_000)
            except asyncio.CancelledError:
                cancelled = True
                raise

        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: bool(model.in_flight("jobs")))
        await asyncio.sleep(1)
        before = now()
        await broker.stop()
        assert cancelled
        assert now() - before < 6
        assert len(model.visible("jobs")) == 1

    warp(main)


def test_start_stop_and_start_again() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        session = InProcessSession(model)
        broker = SQSBroker(session=session, logger=None, send_linger=0.001)
        handled: list[str] = []

        @broker.subscriber("jobs", wait_time_seconds=1)
        async def handle(body: str) -> None:
            handled.append(body)
            model.notify()

        for turn in "abc":
            await broker.start()
            await broker.publish(turn, "jobs")
            await model.until(lambda: len(handled) == "abc".index(turn) + 1)  # noqa: B023
            assert await broker.ping()
            await broker.stop()
            assert session.open_clients == 0
            assert not await broker.ping()
        await broker.stop()
        assert handled == ["a", "b", "c"]
        assert model.bodies("jobs") == []

    warp(main)


def test_a_handler_may_stop_its_subscriber() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        broker = broker_of(model)
        handled = 0

        @broker.subscriber("jobs", ack_policy=AckPolicy.ACK, wait_time_seconds=1)
        async def handle(_: Any) -> None:
            nonlocal handled
            handled += 1
            raise StopConsume

        for number in range(5):
            model.put("jobs", str(number))
        await broker.start()
        await model.until(lambda: len(model.visible("jobs")) == 4)
        await broker.stop()
        assert handled == 1
        assert len(model.visible("jobs")) == 4

    warp(main)
