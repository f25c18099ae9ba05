"""What becomes of a message after its handler, under virtual time."""

import itertools
import json
from typing import Any

import pytest
from faststream.exceptions import (
    AckMessage,
    NackMessage,
    RejectMessage,
    SkipMessage,
)
from faststream.middlewares import AckPolicy

from faststream_sqs.tests.scripted import SQSModel
from faststream_sqs.tests.support import broker_of, current, listening, now
from faststream_sqs.tests.warp import warp


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "raised", "stays"),
    [
        (None, None, False),
        (None, ValueError(), True),
        (AckPolicy.ACK, ValueError(), False),
        (AckPolicy.ACK_FIRST, ValueError(), False),
        (AckPolicy.REJECT_ON_ERROR, ValueError(), False),
        (AckPolicy.NACK_ON_ERROR, ValueError(), True),
        (AckPolicy.NACK_ON_ERROR, AckMessage(), False),
        (AckPolicy.ACK, NackMessage(delay=7, strange=True), True),
        (AckPolicy.ACK, RejectMessage(), False),
        (AckPolicy.ACK, SkipMessage(), True),
        (AckPolicy.MANUAL, None, True),
    ],
)
def test_every_policy_settles_as_it_says(
    policy: AckPolicy | None, raised: Exception | None, *, stays: bool
) -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=100)
        broker = broker_of(model)
        handled = 0
        options = {} if policy is None else {"ack_policy": policy}

        @broker.subscriber("jobs", wait_time_seconds=1, **options)  # type: ignore[call-overload,untyped-decorator]
        async def handle(_: Any) -> None:
            nonlocal handled
            handled += 1
            model.notify()
            if raised is not None:
                raise raised

        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: handled == 1)
        await broker.stop()
        assert bool(model.bodies("jobs")) is stays
        assert handled == 1

    warp(main)


def test_a_nack_may_name_its_delay() -> None:
    async def main() -> None:
        model = SQSModel(latency=0)
        model.create("jobs")
        broker = broker_of(model)
        at: list[float] = []

        @broker.subscriber("jobs")
        async def handle(_: Any) -> None:
            at.append(now())
            model.notify()
            if len(at) == 1:
                raise NackMessage(delay=7)
            if len(at) == 2:
                await current(broker).nack(delay=3)

        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: len(at) == 3)
        await broker.stop()
        assert [round(b - a) for a, b in itertools.pairwise(at)] == [7, 3]

    warp(main)


def test_the_retry_delay_may_depend_on_the_receive_count() -> None:
    async def main() -> None:
        model = SQSModel(latency=0)
        model.create("jobs")
        broker = broker_of(model)
        at: list[float] = []

        @broker.subscriber("jobs", retry_delay=lambda count: count * 10)
        async def handle(_: Any) -> None:
            at.append(now())
            model.notify()
            raise ValueError

        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: len(at) == 4)
        await broker.stop()
        assert [round(b - a) for a, b in itertools.pairwise(at)] == [10, 20, 30]

    warp(main)


def test_reject_moves_a_message_with_all_it_had_to_the_dead_letters() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("dead.fifo")
        policy = {"deadLetterTargetArn": model.queues["dead.fifo"].arn, "maxReceiveCount": 5}
        model.create("jobs.fifo", RedrivePolicy=json.dumps(policy))
        broker = broker_of(model, reject="dlq")

        @broker.subscriber("jobs.fifo", wait_time_seconds=1)
        async def handle(body: int) -> None:
            if body == 1:
                raise RejectMessage

        attribute = {"DataType": "Binary.png", "BinaryValue": b"\xff"}
        for number in range(3):
            model.put("jobs.fifo", str(number), "g", picture=attribute)
        rejected = model.queues["jobs.fifo"].messages[1]
        await broker.start()
        await model.until(lambda: not model.bodies("jobs.fifo"))
        await broker.stop()
        (dead,) = model.queues["dead.fifo"].messages
        assert (dead.body, dead.group, dead.dedup) == ("1", "g", rejected.dedup)
        assert dead.attributes == {"picture": attribute}

    warp(main)


def test_reject_leaves_the_message_where_there_are_no_dead_letters_and_says_so() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        logger, lines = listening()
        broker = broker_of(model, reject="dlq", logger=logger)

        @broker.subscriber("jobs", wait_time_seconds=1)
        async def handle(_: Any) -> None:
            raise RejectMessage

        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: bool(model.called("ChangeMessageVisibilityBatch")))
        await broker.stop()
        assert model.bodies("jobs") == ["x"]
        assert any("no dead-letter queue" in text for _, text in lines.texts)

    warp(main)


def test_reject_may_leave_the_rest_to_redrive() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create_with_dead_letters("jobs", 2)
        broker = broker_of(model, reject="leave")

        @broker.subscriber("jobs", wait_time_seconds=1)
        async def handle(_: Any) -> None:
            raise RejectMessage

        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: bool(model.bodies("dead-jobs")))
        await broker.stop()
        assert model.queues["dead-jobs"].messages[0].receives == 2

    warp(main)


def test_a_fifo_delete_is_over_before_the_next_of_the_group_begins() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs.fifo")
        broker = broker_of(model)
        seen: list[tuple[int, int]] = []

        @broker.subscriber("jobs.fifo", wait_time_seconds=1, max_workers=3)
        async def handle(body: int) -> None:
            seen.append((body, len(model.bodies("jobs.fifo"))))

        for number in range(3):
            model.put("jobs.fifo", str(number), "g")
        await broker.start()
        await model.until(lambda: not model.bodies("jobs.fifo"))
        await broker.stop()
        assert seen == [(0, 3), (1, 2), (2, 1)]

    warp(main)


def test_a_fifo_delete_that_fails_for_good_stops_the_group() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs.fifo", VisibilityTimeout=5)
        model.fail_entries("DeleteMessageBatch", 0, sender_fault=True)
        broker = broker_of(model)
        seen: list[int] = []

        @broker.subscriber("jobs.fifo", wait_time_seconds=1)
        async def handle(body: int) -> None:
            seen.append(body)

        for number in range(3):
            model.put("jobs.fifo", str(number), "g")
        await broker.start()
        await model.until(lambda: not model.bodies("jobs.fifo"))
        await broker.stop()
        assert seen == [0, 0, 1, 2]

    warp(main)


def test_a_manual_fifo_handler_that_settles_nothing_stops_its_group() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs.fifo", VisibilityTimeout=5)
        broker = broker_of(model)
        seen: list[int] = []

        @broker.subscriber("jobs.fifo", wait_time_seconds=1, ack_policy=AckPolicy.MANUAL)
        async def handle(body: int) -> None:
            seen.append(body)
            if len(seen) > 1:
                await current(broker).ack()

        for number in range(2):
            model.put("jobs.fifo", str(number), "g")
        await broker.start()
        await model.until(lambda: not model.bodies("jobs.fifo"))
        await broker.stop()
        assert seen == [0, 0, 1]

    warp(main)
