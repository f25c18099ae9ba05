"""Create the publisher that the options describe."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from faststream.exceptions import SetupError

from faststream_sqs.publisher.config import SQSPublisherConfig, SQSPublisherSpecificationConfig
from faststream_sqs.publisher.specification import SQSPublisherSpecification
from faststream_sqs.publisher.usecase import SQSBatchPublisher, SQSPublisher
from faststream_sqs.schemas import SQSQueue

if TYPE_CHECKING:
    from faststream_sqs.broker.config import SQSBrokerConfig


def create_publisher(
    *,
    queue: str | SQSQueue,
    headers: Mapping[str, Any] | None,
    reply_to: str,
    group_id: str | None,
    deduplication_id: str | None,
    delay_seconds: int | None,
    batch: bool,
    config: "SQSBrokerConfig",
    title_: str | None,
    description_: str | None,
    schema_: Any,
    include_in_schema: bool,
) -> SQSPublisher:
    """Create a publisher.

    Raises:
        SetupError: The options contradict each other.
    """
    if batch and reply_to:
        raise SetupError("a batch has no reply: publisher(batch=True) takes no reply_to")
    if batch and deduplication_id:
        raise SetupError("one deduplication_id for a batch would drop all but its first message")
    wanted = SQSQueue.of(queue)
    specification = SQSPublisherSpecification(
        config,
        SQSPublisherSpecificationConfig(
            queue=wanted,
            schema_=schema_,
            title_=title_,
            description_=description_,
            include_in_schema=include_in_schema,
        ),
    )
    kind = SQSBatchPublisher if batch else SQSPublisher
    return kind(
        SQSPublisherConfig(
            queue=wanted,
            headers=dict(headers or {}),
            reply_to=reply_to,
            group_id=group_id,
            deduplication_id=deduplication_id,
            delay_seconds=delay_seconds,
            _outer_config=config,
        ),
        specification,
    )
