"""Describe queues by name, URL or ARN, and the attributes to declare them with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

Declare: TypeAlias = bool | Literal["passive"]
FIFO_SUFFIX = ".fifo"


class QueueRef(NamedTuple):
    """Represent a queue reference, parsed."""

    name: str
    url: str | None = None
    account_id: str | None = None


@lru_cache(maxsize=1_024)  # asked several times for each message
def parse_ref(queue: str) -> QueueRef:
    """Read a queue name, an `https://…/account/name` URL or an `arn:aws:sqs:…` ARN."""
    if queue.startswith(("http://", "https://")):
        return QueueRef(queue.rstrip("/").rsplit("/", 1)[-1], url=queue)
    if queue.startswith("arn:"):
        account, name = queue.split(":")[4:6]
        return QueueRef(name, account_id=account)
    return QueueRef(queue)


def queue_name(queue: str) -> str:
    """Return the name in a queue name, URL or ARN."""
    return parse_ref(queue).name


def is_fifo(queue: str) -> bool:
    return queue_name(queue).endswith(FIFO_SUFFIX)


@dataclass(frozen=True, kw_only=True)
class _QueueOptions:
    """Describe the options that become attributes of the queue when it is created."""

    visibility_timeout: int | None = None
    delay_seconds: int | None = None
    retention_seconds: int | None = None
    wait_time_seconds: int | None = None
    max_message_bytes: int | None = None
    content_based_deduplication: bool | None = None
    high_throughput: bool = False
    dead_letter_queue: "SQSQueue | str | None" = None
    max_receive_count: int = 10
    tags: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    declare: Declare | None = None


@dataclass(frozen=True)
class _QueueName:
    name: str


@dataclass(frozen=True)
class SQSQueue(_QueueOptions, _QueueName):
    """Describe a queue and the attributes to declare it with.

    None leaves an attribute to the default of the service. A name ending in `.fifo` makes
    a FIFO queue. Attributes matter only where the queue is declared; an existing queue is
    never altered.

    Args:
        name: At most 80 characters including `.fifo`; a URL or an ARN also names it.
        visibility_timeout: Seconds, 0 to 43,200. Default of the service: 30.
        delay_seconds: Delay of every message, 0 to 900. Default: 0.
        retention_seconds: 60 to 1,209,600. Default: 345,600 (4 days).
        wait_time_seconds: Long poll of receives that do not say, 0 to 20. Default: 0.
        max_message_bytes: 1,024 to 1,048,576. Default: 1,048,576.
        content_based_deduplication: FIFO: the body's hash is the deduplication id.
        high_throughput: FIFO: deduplication and throughput limits per message group.
        dead_letter_queue: Where a message goes after `max_receive_count` receives; as an
            `SQSQueue` it is declared first.
        max_receive_count: Receives before the dead-letter queue, 1 to 1,000. Default: 10.
        tags: Cost allocation tags.
        attributes: Further attributes under their official names, such as `KmsMasterKeyId`.
        declare: True creates the queue if it is missing, `"passive"` only looks, False does
            nothing. None (the default) follows the broker.
    """

    @property
    def fifo(self) -> bool:
        return is_fifo(self.name)

    @property
    def dead_letter_name(self) -> str | None:
        target = self.dead_letter_queue
        if target is None:
            return None
        return queue_name(target if isinstance(target, str) else target.name)

    def with_prefix(self, prefix: str) -> "SQSQueue":
        """Return a copy under a router's prefix; URLs and ARNs stay as they are."""
        if not prefix or parse_ref(self.name).name != self.name:
            return self
        return replace(self, name=prefix + self.name)

    def create_attributes(self, dead_letter_arn: str | None = None) -> dict[str, str]:
        """Return the attributes for CreateQueue: only the options that were given."""
        wanted: dict[str, Any] = {
            "VisibilityTimeout": self.visibility_timeout,
            "DelaySeconds": self.delay_seconds,
            "MessageRetentionPeriod": self.retention_seconds,
            "ReceiveMessageWaitTimeSeconds": self.wait_time_seconds,
            "MaximumMessageSize": self.max_message_bytes,
            "RedrivePolicy": self._redrive_policy(dead_letter_arn),
        }
        if self.fifo:
            wanted |= self._fifo_attributes()
        return {k: _text(v) for k, v in wanted.items() if v is not None} | dict(self.attributes)

    def _fifo_attributes(self) -> dict[str, Any]:
        return {
            "FifoQueue": True,
            "ContentBasedDeduplication": self.content_based_deduplication,
            "DeduplicationScope": "messageGroup" if self.high_throughput else None,
            "FifoThroughputLimit": "perMessageGroupId" if self.high_throughput else None,
        }

    def _redrive_policy(self, dead_letter_arn: str | None) -> str | None:
        if dead_letter_arn is None:
            return None
        return json.dumps(
            {"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": self.max_receive_count}
        )

    @classmethod
    def of(cls, queue: "str | SQSQueue") -> "SQSQueue":
        """Return a queue unchanged, or the queue that a plain name refers to."""
        if isinstance(queue, SQSQueue):
            return queue
        if not isinstance(queue, str):
            raise TypeError(f"a queue is a str or an SQSQueue, not {type(queue).__name__}")
        return cls(queue)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
