"""How messages are kept, settled and given back, under virtual time."""

import asyncio
import itertools
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from faststream.exceptions import (
    AckMessage,
    NackMessage,
    RejectMessage,
    SetupError,
    SkipMessage,
    StopConsume,
)
from faststream.middlewares import AckPolicy

from chassis.sqs import SQSBroker, SQSRouter
from tests.chassis.sqs.scripted import InProcessSession, SQSModel
from tests.chassis.sqs.warp import current, warp

if TYPE_CHECKING:
    from chassis.sqs.message import SQSBatchMessage


def broker_of(model: SQSModel, **options: Any) -> SQSBroker:
    options.setdefault("logger", None)
    return SQSBroker(session=InProcessSession(model), **options)


def now() -> float:
    return asyncio.get_running_loop().time()


class Lines(logging.Handler):
    """Keeps what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append((record.levelno, record.getMessage()))


def listening() -> tuple[logging.Logger, Lines]:
    logger, lines = logging.Logger("sqs-test"), Lines()  # noqa: LOG001 - one per test, unregistered
    logger.addHandler(lines)
    return logger, lines


# ---------------------------------------------------------------- settling


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


# ---------------------------------------------------------------- keeping


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
        broker = broker_of(model, logger=logger)
        handled = 0

        @broker.subscriber("jobs", wait_time_seconds=1)
        async def handle(_: Any) -> None:
            nonlocal handled
            handled += 1
            await asyncio.sleep(200)

        model.fail("ChangeMessageVisibilityBatch", "RequestThrottled", times=10)
        model.put("jobs", "x")
        await broker.start()
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        assert handled == 1
        assert any("could not be extended" in text for _, text in lines.texts)

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


# ---------------------------------------------------------------- receiving


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


def test_a_missing_queue_is_told_once_and_found_when_it_appears() -> None:
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


# ---------------------------------------------------------------- stopping


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


# ---------------------------------------------------------------- batches


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


# ---------------------------------------------------------------- pulling


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


# ---------------------------------------------------------------- set-up


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
