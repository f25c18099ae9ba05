"""Describe queues by the official SQS channel binding, version 0.3.0.

The operation binding stays empty: of what it requires nothing is known to us.
"""

from typing import Any

from faststream.specification.schema.bindings import ChannelBinding, sqs

from faststream_sqs.schemas import SQSQueue, queue_name

_VERSION = "0.3.0"


def channel_binding(queue: SQSQueue) -> ChannelBinding:
    """Describe a queue under the official key names, leaving out what is not set."""
    described: dict[str, Any] = {
        "name": queue_name(queue.name),
        "fifoQueue": queue.fifo,
        "deduplicationScope": "messageGroup" if queue.fifo and queue.high_throughput else None,
        "fifoThroughputLimit": (
            "perMessageGroupId" if queue.fifo and queue.high_throughput else None
        ),
        "deliveryDelay": queue.delay_seconds,
        "visibilityTimeout": queue.visibility_timeout,
        "receiveMessageWaitTime": queue.wait_time_seconds,
        "messageRetentionPeriod": queue.retention_seconds,
        "redrivePolicy": _redrive_policy(queue),
        "tags": dict(queue.tags) or None,
    }
    known = {key: value for key, value in described.items() if value is not None}
    return ChannelBinding(sqs=sqs.ChannelBinding(queue=known, bindingVersion=_VERSION))


def _redrive_policy(queue: SQSQueue) -> dict[str, Any] | None:
    if queue.dead_letter_name is None:
        return None
    return {
        "deadLetterQueue": {"name": queue.dead_letter_name},
        "maxReceiveCount": queue.max_receive_count,
    }
