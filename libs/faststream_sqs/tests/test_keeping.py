"""How messages are kept from their receipt to their end, under virtual time."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from faststream.exceptions import (
    NackMessage,
    SkipMessage,
)

from faststream_sqs import SQSBroker
from faststream_sqs.tests.scripted import SQSModel
from faststream_sqs.tests.support import broker_of, current, listening, now
from faststream_sqs.tests.warp import warp


@contextlib.asynccontextmanager
async def consuming(
    brokers: Sequence[SQSBroker], queue: str, handle: Callable[[Any], Awaitable[None]]
) -> AsyncIterator[None]:
    """Let several brokers handle the messages of one queue."""
    for broker in brokers:
        broker.subscriber(queue, wait_time_seconds=1)(handle)
        await broker.start()
    yield
    for broker in brokers:
        await broker.stop()


def test_a_long_handler_keeps_its_message_through_failing_extensions() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=10)
        broker = broker_of(model)
        handled = 0

        @broker.subscriber("jobs", wait_time_seconds=1)
        async def handle(_: Any) -> None:
            nonlocal handled
            handled += 1
            await asyncio.sleep(100)

        model.fail_entries("ChangeMessageVisibilityBatch", 0)
        model.fail("ChangeMessageVisibilityBatch", "RequestThrottled", times=2)
        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        assert handled == 1

    warp(main)


def test_an_outage_of_extensions_is_outlived() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=60)
        logger, lines = listening()
        brokers = [broker_of(model, logger=logger) for _ in range(2)]
        handled = 0

        async def handle(_: Any) -> None:
            nonlocal handled
            handled += 1
            await asyncio.sleep(200)

        model.fail("ChangeMessageVisibilityBatch", "RequestThrottled", times=10)
        model.put("jobs", "x")
        async with consuming(brokers, "jobs", handle):
            await model.until(lambda: not model.bodies("jobs"))
        assert handled == 1
        assert any("could not be extended" in text for _, text in lines.texts)

    warp(main)


@pytest.mark.parametrize("code", ["ExpiredTokenException", "AccessDenied"])
def test_refused_credentials_do_not_end_the_hold_of_a_message(code: str) -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=30)
        logger, lines = listening()
        brokers = [broker_of(model, logger=logger), broker_of(model)]
        handled = 0

        async def handle(_: Any) -> None:
            nonlocal handled
            handled += 1
            await asyncio.sleep(200)

        model.put("jobs", "x")
        model.fail("ChangeMessageVisibilityBatch", code, status=403, times=10)
        async with consuming(brokers, "jobs", handle):
            await model.until(lambda: not model.bodies("jobs"))
        assert handled == 1
        failures = [text for _, text in lines.texts if "could not be extended" in text]
        assert len(failures) <= 1  # of ten attempts

    warp(main)


def test_a_message_that_was_handled_after_its_hold_had_ended_is_no_error() -> None:
    """It is delivered again; its delete is refused, since the receipt handle has expired."""

    async def main() -> None:
        model = SQSModel()
        model.create("jobs.fifo", VisibilityTimeout=10)
        logger, lines = listening()
        brokers = [broker_of(model, logger=logger) for _ in range(2)]
        handled = 0

        async def handle(_: Any) -> None:
            nonlocal handled
            handled += 1
            await asyncio.sleep(30 if handled == 1 else 80)
            model.notify()

        model.fail_entries("ChangeMessageVisibilityBatch", 0, sender_fault=True)
        model.put("jobs.fifo", "x", "group")
        async with consuming(brokers, "jobs.fifo", handle):
            await model.until(lambda: not model.bodies("jobs.fifo") and handled == 2)
            await asyncio.sleep(100)
        assert [text for level, text in lines.texts if level >= logging.ERROR] == []
        (late,) = [text for _, text in lines.texts if "handled too late" in text]
        assert late.startswith("message ")

    warp(main)


def test_what_a_handler_leaves_unsettled_is_extended_no_longer() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=10)
        broker = broker_of(model)
        at: list[float] = []

        @broker.subscriber("jobs", wait_time_seconds=1)
        async def handle(_: Any) -> None:
            at.append(now())
            model.notify()
            if len(at) == 1:
                await asyncio.sleep(5.5)
                raise SkipMessage

        model.slow("ChangeMessageVisibilityBatch", 2)
        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: len(at) == 2)
        await broker.stop()
        assert 10 < at[1] - at[0] < 20

    warp(main)


def test_extensions_go_ten_in_a_call() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=20)
        broker = broker_of(model)

        @broker.subscriber("jobs", max_workers=20)
        async def handle(_: Any) -> None:
            await asyncio.sleep(15)

        for number in range(20):
            model.put("jobs", str(number))
        await broker.start()
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        extensions = model.called("ChangeMessageVisibilityBatch")
        assert [len(call.entries) for call in extensions] == [10, 10]

    warp(main)


@pytest.mark.slow
def test_no_extension_goes_beyond_twelve_hours() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=7200)
        broker = broker_of(model, graceful_timeout=None)
        deliveries: list[float] = []

        @broker.subscriber("jobs", max_workers=2)
        async def handle(_: Any) -> None:
            deliveries.append(now())
            model.notify()
            await asyncio.sleep(50_000)

        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: len(deliveries) == 2 or not model.bodies("jobs"))
        await broker.stop()
        seconds = [
            entry["VisibilityTimeout"]
            for call in model.called("ChangeMessageVisibilityBatch")
            for entry in call.entries
        ]
        assert max(seconds) == 7200

    warp(main, limit=200_000)


def test_a_nack_waits_out_an_extension_under_way() -> None:
    async def main() -> None:
        model = SQSModel(latency=0)
        model.create("jobs", VisibilityTimeout=10)
        broker = broker_of(model)
        at: list[float] = []

        @broker.subscriber("jobs")
        async def handle(_: Any) -> None:
            at.append(now())
            model.notify()
            if len(at) == 1:
                await asyncio.sleep(5.5)
                raise NackMessage(delay=100)

        model.slow("ChangeMessageVisibilityBatch", 2)
        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: len(at) == 2)
        await broker.stop()
        assert at[1] - at[0] > 100

    warp(main)


def test_an_own_extension_is_not_cut_short_by_the_heartbeat() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=10)
        broker = broker_of(model)
        visible_at = 0.0

        @broker.subscriber("jobs")
        async def handle(_: Any) -> None:
            nonlocal visible_at
            await current(broker).extend(600)
            await asyncio.sleep(300)
            visible_at = model.queues["jobs"].messages[0].visible_at

        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        assert round(visible_at) == 600

    warp(main)


def test_a_short_extension_is_followed_by_the_heartbeat_in_time() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=100)
        brokers = [broker_of(model) for _ in range(2)]
        handled = 0

        async def handle(_: Any) -> None:
            nonlocal handled
            handled += 1
            if handled == 1:
                (owner,) = (b for b in brokers if b.context.get_local("message"))
                await current(owner).extend(2)
            await asyncio.sleep(30)

        model.put("jobs", "x")
        async with consuming(brokers, "jobs", handle):
            await model.until(lambda: not model.bodies("jobs"))
        assert handled == 1

    warp(main)


def test_what_was_lost_in_the_buffer_is_not_started() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=5)
        broker = broker_of(model)
        handled: list[int] = []
        alive: list[bool] = []

        @broker.subscriber("jobs", heartbeat=False, wait_time_seconds=1)
        async def handle(body: int) -> None:
            alive.append(now() < model.queues["jobs"].messages[0].visible_at)
            handled.append(body)
            await asyncio.sleep(6)

        for number in range(4):
            model.put("jobs", str(number))
        await broker.start()
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        assert sorted(handled) == [0, 1, 2, 3]
        assert all(alive)

    warp(main)


def test_a_redelivery_to_ourselves_only_brings_a_newer_handle() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=5)
        broker = broker_of(model)
        handled = 0

        @broker.subscriber("jobs", heartbeat=False, max_workers=2, wait_time_seconds=1)
        async def handle(_: Any) -> None:
            nonlocal handled
            handled += 1
            await asyncio.sleep(8)

        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        assert handled == 1

    warp(main)
