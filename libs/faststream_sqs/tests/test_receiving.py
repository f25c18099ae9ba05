"""What is received, when, and through which failures, under virtual time."""

import asyncio
import itertools
import logging
from typing import Any

import pytest
from faststream.exceptions import (
    SetupError,
)
from faststream.middlewares import AckPolicy

from faststream_sqs import SQSBroker, SQSRouter
from faststream_sqs.tests.scripted import SQSModel
from faststream_sqs.tests.support import broker_of, listening, now
from faststream_sqs.tests.warp import warp


def test_only_what_can_start_soon_is_received() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        broker = broker_of(model)
        most = 0

        @broker.subscriber("jobs", max_workers=3, max_messages=4, pollers=2)
        async def handle(_: Any) -> None:
            nonlocal most
            most = max(most, len(model.in_flight("jobs")))
            await asyncio.sleep(1)

        for number in range(40):
            model.put("jobs", str(number))
        await broker.start()
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        # deleted a moment after their workers were free: up to three are still on their way out
        assert most <= 3 + 4 - 1 + 3
        assert {call.params["MaxNumberOfMessages"] for call in model.called("ReceiveMessage")} <= {
            1,
            2,
            3,
            4,
        }

    warp(main)


def test_a_missing_queue_is_logged_once_and_found_when_it_appears() -> None:
    async def main() -> None:
        model = SQSModel()
        logger, lines = listening()
        broker = broker_of(model, logger=logger)
        handled: list[str] = []

        @broker.subscriber("later", wait_time_seconds=1)
        async def handle(body: str) -> None:
            handled.append(body)
            model.notify()

        await broker.start()
        await model.until(lambda: len(model.called("GetQueueUrl")) == 6)
        errors = [text for level, text in lines.texts if level == logging.ERROR]
        assert len(errors) == 2  # one by the look at start, one by the poller
        model.create("later")
        model.put("later", "a")
        await model.until(lambda: handled == ["a"])
        model.drop_queue("later")
        await model.until(lambda: len(model.called("GetQueueUrl")) > 8)
        model.create("later")
        model.put("later", "b")
        await model.until(lambda: handled == ["a", "b"])
        await broker.stop()
        assert model.called("CreateQueue") == []

    warp(main)


def test_failing_receives_are_reported_to_the_callback_instead_of_the_log() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        logger, lines = listening()
        reports: list[tuple[str, str | None]] = []
        broker = broker_of(
            model,
            logger=logger,
            on_receive=lambda queue, error: reports.append((queue, error and str(error))),
        )
        handled: list[str] = []

        @broker.subscriber("jobs", wait_time_seconds=1)
        async def handle(body: str) -> None:
            handled.append(body)

        model.fail("ReceiveMessage", "AccessDenied", times=2)
        model.put("jobs", "a")
        await broker.start()
        await model.until(lambda: handled == ["a"])
        await broker.stop()
        assert [queue for queue, _ in reports] == ["jobs"] * 3
        assert [error is None for _, error in reports] == [False, False, True]
        assert "AccessDenied" in str(reports[0][1])
        assert [text for level, text in lines.texts if level >= logging.ERROR] == []

    warp(main)


def test_failing_receives_back_off_and_recover() -> None:
    async def main() -> None:
        model = SQSModel(latency=0)
        model.create("jobs")
        broker = broker_of(model)
        model.fail("ReceiveMessage", "RequestThrottled", times=3)
        model.reset("ReceiveMessage", times=3)

        @broker.subscriber("jobs")
        async def handle(_: Any) -> None: ...

        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        at = [call.at for call in model.called("ReceiveMessage")][:7]
        pauses = [round(b - a, 3) for a, b in itertools.pairwise(at)]
        assert pauses == sorted(pauses)
        assert pauses[0] >= 0.7
        assert max(pauses) <= 30

    warp(main)


def test_a_receive_whose_reply_was_lost_is_repeated_on_fifo_queues() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs.fifo", VisibilityTimeout=600)
        broker = broker_of(model)
        model.drop_reply("ReceiveMessage")

        @broker.subscriber("jobs.fifo", wait_time_seconds=1)
        async def handle(_: Any) -> None: ...

        model.put("jobs.fifo", "x", "g")
        await broker.start()
        await model.until(lambda: not model.bodies("jobs.fifo"))
        await broker.stop()
        assert now() < 60

    warp(main)


def test_an_idle_subscriber_polls_no_more_than_it_must() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        broker = broker_of(model)

        @broker.subscriber("jobs")
        async def handle(_: Any) -> None: ...

        await broker.start()
        await asyncio.sleep(200)
        assert len(model.called("ReceiveMessage")) <= 16
        await broker.stop()

    warp(main)


def test_no_poll_lasts_longer_than_a_stop_may_wait() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        broker = broker_of(model, graceful_timeout=5.0)

        @broker.subscriber("jobs")
        async def handle(_: Any) -> None: ...

        await broker.start()
        await model.until(lambda: bool(model.called("ReceiveMessage")))
        await broker.stop()
        assert model.called("ReceiveMessage")[0].params["WaitTimeSeconds"] == 4
        assert now() < 5

    warp(main)


@pytest.mark.parametrize(
    "options",
    [
        {"max_workers": 0},
        {"max_messages": 11},
        {"wait_time_seconds": 21},
        {"visibility_timeout": 43_201},
        {"pollers": 0},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SetupError, match=next(iter(options))):
        SQSBroker().subscriber("jobs", **options)


def test_a_router_gives_its_prefix_and_its_policy() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("eu-jobs")
        router = SQSRouter("eu-", ack_policy=AckPolicy.ACK)

        @router.subscriber("jobs", wait_time_seconds=1)
        async def handle(_: Any) -> None:
            raise ValueError

        broker = broker_of(model, routers=[router])
        model.put("eu-jobs", "x")
        await broker.start()
        await model.until(lambda: not model.bodies("eu-jobs"))
        await broker.stop()

    warp(main)
