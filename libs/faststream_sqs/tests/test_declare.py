"""What a broker does about its queues at start."""

import asyncio
import logging
from contextlib import nullcontext, suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from faststream.exceptions import SetupError

from faststream_sqs import SQSBroker, SQSQueue, SQSRouter
from faststream_sqs.schemas import Declare
from faststream_sqs.tests.scripted import InProcessSession, SQSModel
from faststream_sqs.tests.support import listening
from faststream_sqs.tests.warp import warp


def broker_of(model: SQSModel, queue: SQSQueue | str, **options: Any) -> SQSBroker:
    options.setdefault("logger", None)
    broker = SQSBroker(session=InProcessSession(model), **options)

    @broker.subscriber(queue, wait_time_seconds=1)
    async def handle(_: Any) -> None: ...

    return broker


QUEUE = SQSQueue(
    "jobs.fifo",
    visibility_timeout=60,
    retention_seconds=3600,
    content_based_deduplication=True,
    high_throughput=True,
    dead_letter_queue=SQSQueue("dead.fifo", retention_seconds=7200),
    max_receive_count=4,
    attributes={"KmsMasterKeyId": "alias/aws/sqs"},
)


def test_declaring_creates_the_dead_letters_first_and_repeats_harmlessly() -> None:
    async def main() -> None:
        model = SQSModel()
        broker = broker_of(model, QUEUE, declare=True)
        for _ in range(2):
            await broker.start()
            await broker.stop()
        assert list(model.queues) == ["dead.fifo", "jobs.fifo"]
        assert model.queues["jobs.fifo"].attributes == {
            "FifoQueue": "true",
            "VisibilityTimeout": "60",
            "MessageRetentionPeriod": "3600",
            "ContentBasedDeduplication": "true",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
            "KmsMasterKeyId": "alias/aws/sqs",
            "RedrivePolicy": (
                '{"deadLetterTargetArn": "arn:aws:sqs:eu-west-2:123456789012:dead.fifo",'
                ' "maxReceiveCount": 4}'
            ),
        }

    warp(main)


def test_a_queue_that_differs_is_never_altered_and_the_difference_is_named() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=5)
        broker = broker_of(model, SQSQueue("jobs", visibility_timeout=60), declare=True)
        with pytest.raises(SetupError, match="VisibilityTimeout is 5, wanted 60"):
            await broker.start()
        await broker.stop()
        assert model.queues["jobs"].visibility_timeout == 5

    warp(main)


def test_looking_creates_nothing_and_complains_in_the_log() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("other", VisibilityTimeout=5)
        logger, lines = listening()
        broker = broker_of(model, SQSQueue("other", visibility_timeout=60), logger=logger)
        broker.publisher("missing")
        await broker.start()
        await broker.stop()
        assert model.called("CreateQueue") == []
        said = [text for level, text in lines.texts if level >= logging.WARNING]
        assert sorted(said) == [
            "queue missing does not exist",
            "queue other differs: VisibilityTimeout is 5, wanted 60",
        ]

    warp(main)


def test_declare_false_asks_nothing() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        broker = SQSBroker(session=InProcessSession(model), logger=None, declare=False)
        broker.publisher("jobs")
        await broker.start()
        await broker.stop()
        assert model.calls == []

    warp(main)


def test_a_queue_may_decide_for_itself() -> None:
    async def main() -> None:
        model = SQSModel()
        broker = broker_of(model, SQSQueue("own", declare=True), declare=False)
        await broker.start()
        await broker.stop()
        assert list(model.queues) == ["own"]

    warp(main)


@pytest.mark.parametrize("declare", [True, "passive", False])
@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize(
    "kind",
    ["handler", "get_one", "iteration", "publisher", "batch publisher", "router", "request"],
)
def test_an_endpoint_that_is_added_late_is_declared_when_it_is_first_used(
    kind: str, declare: Declare, *, started: bool
) -> None:
    async def main() -> None:
        model = SQSModel()
        broker = SQSBroker(session=InProcessSession(model), logger=None, declare=declare)
        await (broker.start() if started else broker.connect())
        with nullcontext() if declare is True else suppress(ClientError):  # there is no queue
            await _use_late_endpoint(broker, kind)
        await broker.stop()
        queues = [name for name in model.queues if "late" in name]
        assert queues == (["eu-late"] if declare is True else [])

    warp(main)


async def _use_late_endpoint(broker: SQSBroker, kind: str) -> None:
    router = SQSRouter(prefix="eu-")
    if kind == "handler":
        subscriber = router.subscriber("late", wait_time_seconds=1)
        broker.include_router(router)
        subscriber(_nothing)
        await subscriber.start()
    elif kind in ("get_one", "iteration"):
        subscriber = broker.subscriber("eu-late", wait_time_seconds=1)
        if kind == "get_one":
            assert await subscriber.get_one(timeout=1) is None
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    async for _ in subscriber:
                        raise AssertionError("the queue is empty")
    elif kind == "batch publisher":
        await broker.publisher("eu-late", batch=True).publish("a", "b")
    elif kind == "request":
        with suppress(TimeoutError):
            await broker.publisher("eu-late").request("a", timeout=0.1)
    elif kind == "publisher":
        publisher = broker.publisher("eu-late")
        await asyncio.gather(*(publisher.publish("a") for _ in range(3)))
    else:
        publisher = router.publisher("late")
        broker.include_router(router)
        await publisher.publish("a")


async def _nothing(_: Any) -> None: ...


def test_a_late_endpoint_is_declared_once_and_again_after_a_restart() -> None:
    async def main() -> None:
        model = SQSModel()
        broker = SQSBroker(session=InProcessSession(model), logger=None, declare=True)
        publisher = broker.publisher("early")
        for starts in (1, 2):
            await broker.start()
            late = broker.publisher("late")
            await asyncio.gather(*(late.publish("x") for _ in range(5)), publisher.publish("x"))
            await broker.stop()
            created = [call.params["QueueName"] for call in model.called("CreateQueue")]
            assert sorted(created) == ["early"] * starts + ["late"] * starts

    warp(main)


def test_a_late_endpoint_whose_queue_differs_is_refused() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("late", VisibilityTimeout=5)
        broker = SQSBroker(session=InProcessSession(model), logger=None, declare=True)
        await broker.start()
        with pytest.raises(SetupError, match="VisibilityTimeout is 5, wanted 60"):
            await broker.subscriber(SQSQueue("late", visibility_timeout=60)).start()
        await broker.stop()

    warp(main)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("jobs.fifo", "jobs.fifo"),
        ("https://sqs.eu-west-2.amazonaws.com/123456789012/jobs.fifo", "jobs.fifo"),
        ("arn:aws:sqs:eu-west-2:123456789012:jobs.fifo", "jobs.fifo"),
    ],
)
def test_a_queue_goes_by_its_name_however_it_is_spelt(spelling: str, name: str) -> None:
    subscriber = SQSBroker().subscriber(spelling)
    assert subscriber.queue_name == name
    assert subscriber.queue.fifo


def test_only_names_take_a_prefix() -> None:
    arn = SQSQueue("arn:aws:sqs:eu-west-2:123456789012:jobs")
    assert SQSQueue("jobs").with_prefix("eu-").name == "eu-jobs"
    assert arn.with_prefix("eu-") is arn
