"""Represent what is sent: publish commands, and responses of handlers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from faststream.response import (
    BatchPublishCommand,
    PublishCommand,
    PublishType,
    Response,
)

if TYPE_CHECKING:
    from faststream_sqs.faststream_internals import SendableMessage


class SQSMessageId(str):
    """Represent the id that SQS assigned to a sent message: a `str` with more attributes.

    Attributes:
        sequence_number: The place of the message in its FIFO queue, None on standard queues.
    """

    __slots__ = ("sequence_number",)

    sequence_number: str | None

    def __new__(cls, message_id: str, sequence_number: str | None = None) -> Self:
        self = super().__new__(cls, message_id)
        self.sequence_number = sequence_number
        return self


class SQSResponse(Response):
    """Represent the result of a handler, with the options to send it with.

    Args:
        body: What to send.
        headers: Added to the headers of the publisher.
        correlation_id: Default: that of the consumed message.
        group_id: `MessageGroupId`, at most 128 characters. Required on FIFO queues.
        deduplication_id: `MessageDeduplicationId`, at most 128 characters; FIFO only.
        delay_seconds: 0 to 900; standard queues only.
    """

    def __init__(
        self,
        body: "SendableMessage" = None,
        *,
        headers: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        delay_seconds: int | None = None,
    ) -> None:
        super().__init__(
            body=body,
            headers=dict(headers or {}),
            correlation_id=correlation_id,
        )
        self.group_id = group_id
        self.deduplication_id = deduplication_id
        self.delay_seconds = delay_seconds

    def as_publish_command(self) -> "SQSPublishCommand":
        """Turn the response into a command without a destination yet."""
        return SQSPublishCommand(
            self.body,
            headers=self.headers,
            correlation_id=self.correlation_id,
            group_id=self.group_id,
            deduplication_id=self.deduplication_id,
            delay_seconds=self.delay_seconds,
            _publish_type=PublishType.PUBLISH,
        )

    def get_publish_key(self) -> str | None:
        """Return the message group, SQS's closest equivalent of a key."""
        return self.group_id


class SQSPublishMessage(SQSResponse):
    """Represent a message of a `publish_batch` whose options win over the batch's."""


class SQSPublishCommand(BatchPublishCommand):
    """Hold everything the producer needs to send one message or one batch."""

    def __init__(
        self,
        body: "SendableMessage",
        /,
        *bodies: "SendableMessage",
        queue: str = "",
        headers: dict[str, Any] | None = None,
        correlation_id: str | None = None,
        reply_to: str = "",
        group_id: str | None = None,
        deduplication_id: str | None = None,
        delay_seconds: int | None = None,
        timeout: float = 0.5,
        _publish_type: PublishType,
    ) -> None:
        super().__init__(
            body,
            *bodies,
            destination=queue,
            headers=headers,
            correlation_id=correlation_id,
            reply_to=reply_to,
            _publish_type=_publish_type,
        )
        self.group_id = group_id
        self.deduplication_id = deduplication_id
        self.delay_seconds = delay_seconds
        self.timeout = timeout

    @classmethod
    def from_cmd(
        cls,
        cmd: "PublishCommand | SQSPublishCommand",
        *,
        batch: bool = False,
    ) -> "SQSPublishCommand":
        """Convert a command; `batch` makes each item of a returned sequence a message."""
        if isinstance(cmd, cls):
            if batch and not cmd.extra_bodies:
                cmd.body, cmd.extra_bodies = cls._parse_bodies(cmd.body, batch=True)
            return cmd
        body, extra_bodies = cls._parse_bodies(cmd.body, batch=batch)
        return cls(
            body,
            *extra_bodies,
            queue=cmd.destination,
            headers=cmd.headers,
            correlation_id=cmd.correlation_id,
            reply_to=cmd.reply_to,
            _publish_type=cmd.publish_type,
        )
