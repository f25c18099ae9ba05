"""What becomes of a message after its handler, under virtual time."""

import asyncio
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

from faststream_sqs import wire
from faststream_sqs.tests.scripted import MEBIBYTE, SQSModel
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


def test_a_rejected_message_is_moved_with_its_content_its_reason_and_its_origin() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create_with_dead_letters("jobs.fifo", 5)
        broker = broker_of(model, reject="dlq")

        @broker.subscriber("jobs.fifo", wait_time_seconds=1)
        async def handle(body: int) -> None:
            if body == 1:
                raise RejectMessage(reason="no\x00such\ud800job " + "x" * 300)

        attribute = {"DataType": "Binary.png", "BinaryValue": b"\xff"}
        for number in range(3):
            model.put("jobs.fifo", str(number), "g", picture=attribute)
        rejected = model.queues["jobs.fifo"].messages[1]
        await broker.start()
        await model.until(lambda: not model.bodies("jobs.fifo"))
        await broker.stop()
        (dead,) = model.queues["dead-jobs.fifo"].messages
        assert (dead.body, dead.group) == ("1", "g")
        assert dead.attributes["picture"] == attribute
        reason = dead.attributes["dead-letter-reason"]["StringValue"]
        assert reason == "no\ufffdsuch\ufffdjob ".ljust(256, "x")
        headers = wire.decode_headers(dead.attributes)
        assert headers["dead-letter-source"] == "jobs.fifo"
        assert headers["dead-letter-message-id"] == rejected.message_id
        assert headers["dead-letter-deduplication-id"] == rejected.dedup
        assert headers["dead-letter-sent-at"] == "1970-01-01T00:00:00+00:00"
        assert headers["dead-letter-receive-count"] == 1

    warp(main)


def test_a_message_that_is_sent_back_and_rejected_again_within_five_minutes_is_not_lost() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create_with_dead_letters("jobs.fifo", 5)
        broker = broker_of(model, reject="dlq")

        @broker.subscriber("jobs.fifo", wait_time_seconds=1)
        async def handle(_: Any) -> None:
            raise RejectMessage(reason="unknown")

        model.put("jobs.fifo", "x", "g")
        dead = model.queues["dead-jobs.fifo"].messages
        await broker.start()
        for _ in range(3):
            await model.until(lambda: bool(dead))
            await model.until(lambda: not model.bodies("jobs.fifo"))
            model.move("dead-jobs.fifo", "jobs.fifo")
        await model.until(lambda: bool(dead))
        await broker.stop()
        assert model.bodies("jobs.fifo") == []
        assert model.bodies("dead-jobs.fifo") == ["x"]
        (copy,) = dead
        assert wire.decode_headers(copy.attributes)["dead-letter-source"] == "jobs.fifo"

    warp(main)


@pytest.mark.parametrize("lost", ["SendMessage", "SendMessageBatch"])
def test_a_move_whose_reply_is_lost_is_repeated_without_a_duplicate(lost: str) -> None:
    async def main() -> None:
        model = SQSModel()
        model.create_with_dead_letters("jobs.fifo", 50, VisibilityTimeout=5)
        # one process loses every reply of a move, and gives up after eight attempts
        model.drop_reply(lost, times=8)
        linger = 0.01 if lost == "SendMessageBatch" else None
        broker = broker_of(model, reject="dlq", send_linger=linger)

        @broker.subscriber("jobs.fifo", wait_time_seconds=1)
        async def handle(_: Any) -> None:
            raise RejectMessage(reason="unknown")

        model.put("jobs.fifo", "x", "g")
        await broker.start()
        await model.until(lambda: not model.bodies("jobs.fifo"))
        await broker.stop()
        assert model.bodies("dead-jobs.fifo") == ["x"]
        assert len(model.called(lost)) == 9

    warp(main)


def test_a_rejected_message_stays_in_its_queue_until_its_move_is_confirmed() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create_with_dead_letters("jobs.fifo", 50, VisibilityTimeout=5)
        model.fail_entries("SendMessageBatch", 0, sender_fault=True, times=2)
        broker = broker_of(model, reject="dlq", send_linger=0.01)
        bodies: list[tuple[list[str], list[str]]] = []

        @broker.subscriber("jobs.fifo", wait_time_seconds=1)
        async def handle(_: Any) -> None:
            bodies.append((model.bodies("jobs.fifo"), model.bodies("dead-jobs.fifo")))
            raise RejectMessage

        model.put("jobs.fifo", "x", "g")
        await broker.start()
        await model.until(lambda: not model.bodies("jobs.fifo"))
        await broker.stop()
        assert bodies == [(["x"], [])] * 3
        assert model.bodies("dead-jobs.fifo") == ["x"]

    warp(main)


def test_a_batch_is_rejected_as_far_as_possible_when_one_move_fails() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create_with_dead_letters("jobs", 50, VisibilityTimeout=5)
        model.fail("SendMessage", "AccessDenied")
        broker = broker_of(model, reject="dlq")

        @broker.subscriber("jobs", batch=True, wait_time_seconds=1)
        async def handle(_: Any) -> None:
            raise RejectMessage(reason="unknown")

        for number in range(3):
            model.put("jobs", str(number))
        await broker.start()
        await model.until(lambda: model.bodies("jobs") == ["0"])
        assert model.bodies("dead-jobs") == ["1", "2"]
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        assert model.bodies("dead-jobs") == ["1", "2", "0"]

    warp(main)


def test_a_message_of_full_size_is_moved_without_its_reason() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create_with_dead_letters("jobs", 50)
        broker = broker_of(model, reject="dlq")

        @broker.subscriber("jobs", wait_time_seconds=1)
        async def handle(_: Any) -> None:
            raise RejectMessage(reason="too long")

        model.put("jobs", "x" * MEBIBYTE)
        await broker.start()
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        (dead,) = model.queues["dead-jobs"].messages
        assert len(dead.body) == MEBIBYTE
        assert dead.receives == 0
        assert dead.attributes == {}

    warp(main)


def test_a_redrive_policy_that_is_added_later_is_noticed() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        model.create("dead-jobs")
        broker = broker_of(model, reject="dlq", logger=None)

        @broker.subscriber("jobs", wait_time_seconds=1, retry_delay=1)
        async def handle(_: Any) -> None:
            raise RejectMessage

        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: bool(model.called("ChangeMessageVisibilityBatch")))
        policy = {"deadLetterTargetArn": model.queues["dead-jobs"].arn, "maxReceiveCount": 50}
        model.queues["jobs"].attributes["RedrivePolicy"] = json.dumps(policy)
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        (dead,) = model.queues["dead-jobs"].messages
        assert (dead.body, dead.receives) == ("x", 0)

    warp(main)


def test_a_nack_on_a_fifo_queue_delays_its_group_and_no_other() -> None:
    async def main() -> None:
        model = SQSModel(latency=0)
        model.create("jobs.fifo", VisibilityTimeout=30)
        broker = broker_of(model)
        at: list[tuple[str, float]] = []

        @broker.subscriber("jobs.fifo", wait_time_seconds=1, max_workers=4)
        async def handle(body: str) -> None:
            at.append((body, round(now())))
            if body == "a0" and len(at) < 3:
                raise NackMessage(delay=90.5)

        for body in ("a0", "a1", "b0"):
            model.put("jobs.fifo", body, body[0])
        await broker.start()
        await model.until(lambda: not model.bodies("jobs.fifo"))
        await broker.stop()
        assert at == [("a0", 0), ("b0", 0), ("a0", 91), ("a1", 91)]

    warp(main)


@pytest.mark.parametrize("delay", [43_200, 1e9, float("inf")])
def test_a_delay_ends_within_the_twelve_hours_that_sqs_allows(delay: float) -> None:
    async def main() -> None:
        model = SQSModel(latency=0)
        model.create("jobs.fifo", VisibilityTimeout=30)
        broker = broker_of(model)
        at: list[float] = []

        @broker.subscriber("jobs.fifo", wait_time_seconds=20)
        async def handle(_: Any) -> None:
            at.append(now())
            if len(at) == 1:
                await asyncio.sleep(3_600)
                raise NackMessage(delay=delay)

        model.put("jobs.fifo", "x", "g")
        await broker.start()
        await model.until(lambda: not model.bodies("jobs.fifo"))
        await broker.stop()
        assert 43_190 < at[1] - at[0] <= 43_200

    warp(main, limit=50_000)


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
