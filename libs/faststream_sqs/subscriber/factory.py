"""Create the subscriber that the options describe."""

from typing import Any

from faststream_sqs.faststream_internals import CallsCollection
from faststream_sqs.subscriber.config import SQSSubscriberConfig, SQSSubscriberSpecificationConfig
from faststream_sqs.subscriber.specification import SQSSubscriberSpecification
from faststream_sqs.subscriber.usecase import (
    SQSBatchSubscriber,
    SQSDefaultSubscriber,
    SQSSubscriber,
)


def create_subscriber(
    config: SQSSubscriberConfig,
    specification_config: SQSSubscriberSpecificationConfig,
    *,
    batch: bool,
) -> SQSSubscriber:
    """Create a subscriber that takes batches or single messages.

    Raises:
        SetupError: An option is out of range.
    """
    config.check()
    calls = CallsCollection[Any]()
    specification = SQSSubscriberSpecification(config.outer_config, specification_config, calls)
    kind = SQSBatchSubscriber if batch else SQSDefaultSubscriber
    return kind(config, specification, calls)
