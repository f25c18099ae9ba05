"""What a broker does about its queues at start."""

import logging
from typing import Any

import pytest
from faststream.exceptions import SetupError

from faststream_sqs import SQSBroker, SQSQueue
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
