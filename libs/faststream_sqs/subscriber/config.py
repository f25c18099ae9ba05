"""Hold and check the options of a subscriber."""

from dataclasses import dataclass, field

from faststream.exceptions import SetupError
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
    def outer_config(self) -> SQSBrokerConfig:
        """The configuration of the broker or router."""
        return self._outer_config

    def check(self) -> None:
        """Check the ranges of the options.

        Raises:
            SetupError: An option is outside what SQS allows or what is reasonable.
        """
        _check_range("max_workers", self.max_workers, 1, 10_000)
        _check_range("pollers", self.pollers, 1, 100)
        _check_range("max_messages", self.max_messages, 1, 10)
        _check_range("wait_time_seconds", self.wait_time_seconds, 0, 20)
        if self.visibility_timeout is not None:
            _check_range("visibility_timeout", self.visibility_timeout, 1, 43_200)

    @property
    def ack_policy(self) -> AckPolicy:
        """The subscriber's policy, else the broker's, else NACK_ON_ERROR, which loses nothing."""
        if self._ack_policy is not EMPTY:
            return self._ack_policy
        if self._outer_config.ack_policy is not EMPTY:
            return self._outer_config.ack_policy
        return AckPolicy.NACK_ON_ERROR


def _check_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise SetupError(f"{name}={value} is not between {least} and {most}")
