"""Move rejected messages to dead-letter queues with their reason and origin, and send them back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from faststream_sqs import wire
from faststream_sqs.message import SQSRawMessage

PREFIX = "dead-letter-"
REASON = "dead-letter-reason"
"""Why the message was rejected, at most 256 characters; absent without a reason."""
SOURCE = "dead-letter-source"
"""Name of the queue that it was moved from."""
MESSAGE_ID = "dead-letter-message-id"
"""Id that it had in that queue."""
DEDUPLICATION_ID = "dead-letter-deduplication-id"
"""Deduplication id that it had in that queue, on FIFO queues."""
SENT_AT = "dead-letter-sent-at"
"""When it reached that queue: ISO 8601, UTC."""
RECEIVES = "dead-letter-receive-count"
"""How often it was received from that queue."""

MAX_REASON = 256


def rejected_copy(message: SQSRawMessage, reason: str | None) -> dict[str, Any]:
    """Return the entry that moves a rejected message to its dead-letter queue.

    The deduplication id is derived from the message id. A message that was sent back and is
    rejected again has a new message id, so SQS does not drop the copy as a duplicate; the same
    move, repeated after its reply was lost or the process died, is dropped.
    """
    entry = _entry(message, _marked(message, reason))
    if wire.entry_size(entry) > wire.MAX_MESSAGE_BYTES:  # the marks must not be what stops a move
        entry = _entry(message, message.message_attributes)
    return entry


def resent_entry(message: SQSRawMessage, *, fifo: bool) -> dict[str, Any]:
    """Return the entry that sends a dead letter back: body, group and attributes as before.

    The deduplication id is new for each dead letter, so SQS does not drop the message; when the
    same dead letter is sent back twice within five minutes, it drops the second.
    """
    entry = _entry(message, original_attributes(message.message_attributes))
    entry.pop("MessageDeduplicationId", None)
    if fifo:
        entry["MessageDeduplicationId"] = f"resent-{message.message_id}"
    return entry


def original_attributes(attributes: Mapping[str, wire.Attribute]) -> dict[str, wire.Attribute]:
    """Return the attributes that a message had before it was moved."""
    return wire.remove_headers(attributes, PREFIX)


def _marked(message: SQSRawMessage, reason: str | None) -> dict[str, wire.Attribute]:
    marks = {
        REASON: wire.clean_text(reason or "", MAX_REASON),
        SOURCE: message.queue,
        MESSAGE_ID: message.message_id,
        DEDUPLICATION_ID: message.attributes.get("MessageDeduplicationId", ""),
        SENT_AT: iso(message.attributes.get("SentTimestamp")),
        RECEIVES: message.receive_count,
    }
    originals = original_attributes(message.message_attributes)
    return wire.add_headers(originals, marks, keep=(REASON, SOURCE))


def _entry(message: SQSRawMessage, attributes: Mapping[str, wire.Attribute]) -> dict[str, Any]:
    entry: dict[str, Any] = {"MessageBody": message.body}
    if attributes:
        entry["MessageAttributes"] = dict(attributes)
    if group := message.group_id:
        entry["MessageGroupId"] = group
    if "MessageDeduplicationId" in message.attributes:
        entry["MessageDeduplicationId"] = f"{PREFIX}{message.message_id}"
    return entry


def iso(milliseconds: str | None) -> str:
    """Return a timestamp of SQS as ISO 8601, UTC; empty without one."""
    if not milliseconds:
        return ""
    return datetime.fromtimestamp(int(milliseconds) / 1000, tz=UTC).isoformat()
