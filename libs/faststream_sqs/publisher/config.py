"""Hold the options of a publisher."""

from dataclasses import dataclass, field
from typing import Any

from faststream_sqs.broker.config import SQSBrokerConfig
from faststream_sqs.faststream_internals import (
    PublisherSpecificationConfig,
    PublisherUsecaseConfig,
)
from faststream_sqs.schemas import SQSQueue


@dataclass(kw_only=True)
class SQSPublisherSpecificationConfig(PublisherSpecificationConfig):
    queue: SQSQueue


@dataclass(kw_only=True)
class SQSPublisherConfig(PublisherUsecaseConfig):
    _outer_config: SQSBrokerConfig = field(default_factory=SQSBrokerConfig)

    queue: SQSQueue
    headers: dict[str, Any]
    reply_to: str
    group_id: str | None
    deduplication_id: str | None
    delay_seconds: int | None
