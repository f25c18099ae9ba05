"""What a subscriber is configured with."""

from dataclasses import dataclass, field

from faststream.middlewares import AckPolicy

from faststream_sqs.broker.config import SQSBrokerConfig
from faststream_sqs.faststream_internals import (
    EMPTY,
    SubscriberSpecificationConfig,
    SubscriberUsecaseConfig,
)
from faststream_sqs.schemas import SQSQueue
from faststream_sqs.subscriber.settlement import RetryDelay


@dataclass(kw_only=True)
class SQSSubscriberSpecificationConfig(SubscriberSpecificationConfig):
    queue: SQSQueue


@dataclass(kw_only=True)
class SQSSubscriberConfig(SubscriberUsecaseConfig):
    _outer_config: SQSBrokerConfig = field(default_factory=SQSBrokerConfig)

    queue: SQSQueue
    max_workers: int = 1
    max_messages: int = 10
    wait_time_seconds: int = 20
    visibility_timeout: int | None = None
    heartbeat: bool = True
    retry_delay: RetryDelay = None
    pollers: int = 1
    unwrap_sns: bool = False

    @property
    def ack_policy(self) -> AckPolicy:
        """The subscriber's own, else the broker's, else NACK_ON_ERROR: a failure loses nothing."""
        if self._ack_policy is not EMPTY:
            return self._ack_policy
        if self._outer_config.ack_policy is not EMPTY:
            return self._outer_config.ack_policy
        return AckPolicy.NACK_ON_ERROR
