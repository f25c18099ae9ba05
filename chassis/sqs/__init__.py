"""Amazon SQS for FastStream: a transport that loses nothing, keeps order and batches its calls."""

from chassis.sqs.annotations import SQSMessage
from chassis.sqs.broker.broker import SQSBroker
from chassis.sqs.broker.router import SQSRoute, SQSRoutePublisher, SQSRouter
from chassis.sqs.exceptions import (
    BatchPublishError,
    EntryFailedError,
    MessageTooLargeError,
    SQSError,
)
from chassis.sqs.response import (
    SQSMessageId,
    SQSPublishCommand,
    SQSPublishMessage,
    SQSResponse,
)
from chassis.sqs.schemas import SQSQueue
from chassis.sqs.testing import TestSQSBroker

__all__ = (
    "BatchPublishError",
    "EntryFailedError",
    "MessageTooLargeError",
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
