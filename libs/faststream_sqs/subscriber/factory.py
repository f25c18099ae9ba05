"""Which subscriber the options ask for, and whether they make sense."""

from typing import TYPE_CHECKING, Any

from faststream.exceptions import SetupError

from faststream_sqs.faststream_internals import CallsCollection
from faststream_sqs.schemas import SQSQueue
from faststream_sqs.subscriber.config import SQSSubscriberConfig, SQSSubscriberSpecificationConfig
from faststream_sqs.subscriber.specification import SQSSubscriberSpecification
from faststream_sqs.subscriber.usecase import (
    SQSBatchSubscriber,
    SQSDefaultSubscriber,
    SQSSubscriber,
)

if TYPE_CHECKING:
    from faststream.middlewares import AckPolicy

    from faststream_sqs.broker.config import SQSBrokerConfig
    from faststream_sqs.subscriber.settlement import RetryDelay


def create_subscriber(
    *,
    queue: str | SQSQueue,
    max_workers: int,
    batch: bool,
    max_messages: int,
    wait_time_seconds: int,
    visibility_timeout: int | None,
    heartbeat: bool,
    retry_delay: "RetryDelay",
    pollers: int,
    unwrap_sns: bool,
    ack_policy: "AckPolicy",
    no_reply: bool,
    config: "SQSBrokerConfig",
    title_: str | None,
    description_: str | None,
    include_in_schema: bool,
) -> SQSSubscriber:
    """Build a subscriber.

    Raises:
        SetupError: if an option is outside what SQS or sense allows.
    """
    _in_range("max_workers", max_workers, 1, 10_000)
    _in_range("pollers", pollers, 1, 100)
    _in_range("max_messages", max_messages, 1, 10)
    _in_range("wait_time_seconds", wait_time_seconds, 0, 20)
    if visibility_timeout is not None:
        _in_range("visibility_timeout", visibility_timeout, 1, 43_200)
    wanted = SQSQueue.of(queue)
    calls = CallsCollection[Any]()
    specification = SQSSubscriberSpecification(
        config,
        SQSSubscriberSpecificationConfig(
            queue=wanted,
            title_=title_,
            description_=description_,
            include_in_schema=include_in_schema,
        ),
        calls,
    )
    kind = SQSBatchSubscriber if batch else SQSDefaultSubscriber
    return kind(
        SQSSubscriberConfig(
            queue=wanted,
            max_workers=max_workers,
            max_messages=max_messages,
            wait_time_seconds=wait_time_seconds,
            visibility_timeout=visibility_timeout,
            heartbeat=heartbeat,
            retry_delay=retry_delay,
            pollers=pollers,
            unwrap_sns=unwrap_sns,
            no_reply=no_reply,
            _outer_config=config,
            _ack_policy=ack_policy,
        ),
        specification,
        calls,
    )


def _in_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise SetupError(f"{name}={value} is not between {least} and {most}")
