"""Represent messages as SQS delivers them and as a handler sees them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from faststream.message import StreamMessage

from faststream_sqs.schemas import is_fifo
from faststream_sqs.wire import Attribute

SYSTEM_ATTRIBUTES = [
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SentTimestamp",
    "MessageGroupId",
    "MessageDeduplicationId",
    "SequenceNumber",
    "DeadLetterQueueSourceArn",
]
"""What a receive requests of SQS about each message."""


class Outcome(StrEnum):
    """Name how a received message was settled."""

    DELETED = "deleted"
    RELEASED = "released"
    LOST = "lost"


@dataclass(slots=True, eq=False)
class SQSRawMessage:
    """Represent one received message.

    Attributes:
        queue: Name of the queue, never its URL.
        queue_url: URL that it was received from.
        message_id: Id given by SQS.
        receipt_handle: The newest handle: a redelivery replaces it.
        body: The text of the message as it came.
        attributes: System attributes, as text.
        message_attributes: The sender's attributes, typed.
        settlement: Who can delete or release it; None in the in-memory test broker.
        outcome: Set when it has been settled, None before.
        expires_at: Loop time at which it becomes visible to others again.
        received_at: Loop time of its receipt.
    """

    queue: str
    queue_url: str
    message_id: str
    receipt_handle: str
    body: str
    attributes: dict[str, str] = field(default_factory=dict)
    message_attributes: dict[str, Attribute] = field(default_factory=dict)
    settlement: "SettlementProto | None" = field(default=None, repr=False)
    outcome: Outcome | None = None
    expires_at: float = 0.0
    received_at: float = 0.0

    @property
    def group_id(self) -> str | None:
        return self.attributes.get("MessageGroupId")

    @property
    def receive_count(self) -> int:
        return int(self.attributes.get("ApproximateReceiveCount", "1"))


class SettlementProto(Protocol):
    """Describe what a message needs from the subscriber that received it."""

    async def delete(self, messages: Sequence[SQSRawMessage]) -> None: ...
    async def release(self, messages: Sequence[SQSRawMessage], delay: float | None) -> None: ...
    async def reject(
        self, messages: Sequence[SQSRawMessage], reason: str | None = None
    ) -> None: ...
    async def extend(self, messages: Sequence[SQSRawMessage], seconds: int) -> None: ...


RawT = TypeVar("RawT", SQSRawMessage, list[SQSRawMessage])


class _Settling(StreamMessage[RawT]):
    """Settle a message; options that SQS does not have are ignored."""

    @property
    def _raws(self) -> list[SQSRawMessage]:
        raise NotImplementedError

    @property
    def _settlement(self) -> SettlementProto | None:
        raws = self._raws
        return raws[0].settlement if raws else None

    @property
    def _unsettled(self) -> list[SQSRawMessage]:
        return [message for message in self._raws if message.outcome is None]

    async def ack(self, **_: Any) -> None:
        """Delete the message. On FIFO queues it returns when deleted, else when queued."""
        if self.committed is None and (settlement := self._settlement):
            # an expired message too: it was handled, and may not have been redelivered yet
            await settlement.delete([m for m in self._raws if m.outcome in (None, Outcome.LOST)])
        await super().ack()

    async def nack(self, delay: float | None = None, **_: Any) -> None:
        """Return the message to the queue, visible after `delay` seconds.

        Args:
            delay: Rounded up to a second; at most what is left of the 12 hours that SQS allows
                after a receive. None: the subscriber's `retry_delay`.
        """
        if self.committed is None and (settlement := self._settlement):
            await settlement.release(self._unsettled, delay)
        await super().nack()

    async def reject(self, reason: str | None = None, **_: Any) -> None:
        """Reject the message for good, as the broker's `reject` says.

        Args:
            reason: Stored with a message that is moved to the dead-letter queue; cut after 256
                characters.
        """
        if self.committed is None and (settlement := self._settlement):
            await settlement.reject(self._unsettled, reason)
        await super().reject()

    async def extend(self, seconds: int) -> None:
        """Keep the message invisible for `seconds`, capped like a delay; the heartbeat goes on."""
        if self.committed is None and (settlement := self._settlement):
            await settlement.extend(self._unsettled, seconds)


class SQSMessage(_Settling[SQSRawMessage]):
    """Represent a consumed message."""

    @property
    def group_id(self) -> str | None:
        """The message group, or None."""
        return self.raw_message.group_id

    @property
    def deduplication_id(self) -> str | None:
        """The deduplication id on FIFO queues, else None."""
        return self.raw_message.attributes.get("MessageDeduplicationId")

    @property
    def sequence_number(self) -> str | None:
        """The sequence number on FIFO queues, else None."""
        return self.raw_message.attributes.get("SequenceNumber")

    @property
    def receipt_handle(self) -> str:
        """The receipt handle that settles the message."""
        return self.raw_message.receipt_handle

    @property
    def receive_count(self) -> int:
        """How often the message has been received, including this time."""
        return self.raw_message.receive_count

    @property
    def sent_at(self) -> datetime | None:
        """When the message reached the queue, UTC."""
        return _moment(self.raw_message.attributes.get("SentTimestamp"))

    @property
    def first_received_at(self) -> datetime | None:
        """When the message was first received, UTC."""
        return _moment(self.raw_message.attributes.get("ApproximateFirstReceiveTimestamp"))

    @property
    def _raws(self) -> list[SQSRawMessage]:
        return [self.raw_message]


class SQSBatchMessage(_Settling[list[SQSRawMessage]]):
    """Represent up to ten consumed messages, settled together or one by one.

    `ack`, `nack`, `reject` and `extend` are about those not settled yet.
    """

    async def ack_partial(self, indices: Iterable[int]) -> None:
        """Delete these messages now; the others follow the batch, such as nacked on an error."""
        if settlement := self._settlement:
            await settlement.delete(self._at(indices))

    async def nack_partial(self, indices: Iterable[int], delay: float | None = None) -> None:
        """Return these messages now; the others follow the batch, such as acked on success.

        On a FIFO queue later messages of the same groups are returned with them.
        """
        if settlement := self._settlement:
            chosen = sorted(set(indices))
            await settlement.release(self._at(chosen), delay)
            await settlement.release(self._at(self._followers(chosen)), 0)

    @property
    def _raws(self) -> list[SQSRawMessage]:
        return self.raw_message

    def _at(self, indices: Iterable[int]) -> list[SQSRawMessage]:
        chosen = [self.raw_message[index] for index in indices]
        return [message for message in chosen if message.outcome is None]

    def _followers(self, indices: list[int]) -> list[int]:
        if not is_fifo(self.raw_message[0].queue):
            return []
        first: dict[str | None, int] = {}
        for index in indices:
            first.setdefault(self.raw_message[index].group_id, index)
        return [
            index
            for index, message in enumerate(self.raw_message)
            if index > first.get(message.group_id, index)
        ]


def _moment(milliseconds: str | None) -> datetime | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(int(milliseconds) / 1000, tz=UTC)
