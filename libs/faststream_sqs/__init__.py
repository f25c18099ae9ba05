"""Run FastStream on Amazon SQS: nothing is lost, order is kept, and calls are batched."""

from faststream_sqs.annotations import SQSMessage
from faststream_sqs.broker.broker import SQSBroker
from faststream_sqs.broker.router import SQSRoute, SQSRoutePublisher, SQSRouter
from faststream_sqs.exceptions import (
    BatchPublishError,
    EntryFailedError,
    MessageTooLargeError,
    NoDeadLetterQueueError,
    SQSError,
)
from faststream_sqs.response import (
    SQSMessageId,
    SQSPublishCommand,
    SQSPublishMessage,
    SQSResponse,
)
from faststream_sqs.schemas import SQSQueue
from faststream_sqs.testing import TestSQSBroker

__all__ = (
    "BatchPublishError",
    "EntryFailedError",
    "MessageTooLargeError",
    "NoDeadLetterQueueError",
    "SQSBroker",
    "SQSError",
    "SQSMessage",
    "SQSMessageId",
    "SQSPublishCommand",
    "SQSPublishMessage",
    "SQSQueue",
    "SQSResponse",
    "SQSRoute",
    "SQSRoutePublisher",
    "SQSRouter",
    "TestSQSBroker",
)
