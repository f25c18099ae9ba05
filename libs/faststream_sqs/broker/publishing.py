"""Publish messages and request replies through a broker."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from faststream.response import PublishType

from faststream_sqs.broker.config import SQSBrokerConfig
from faststream_sqs.connection import SQSConnection
from faststream_sqs.faststream_internals import BrokerUsecase
from faststream_sqs.response import SQSMessageId, SQSPublishCommand

if TYPE_CHECKING:
    from faststream_sqs.faststream_internals import SendableMessage
    from faststream_sqs.message import SQSMessage


class SQSPublishing(BrokerUsecase[Any, SQSConnection, SQSBrokerConfig]):
    """Provide the methods of `SQSBroker` that send messages."""

    async def publish(
        self,
        message: "SendableMessage" = None,
        queue: str = "",
        *,
        headers: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        reply_to: str = "",
        group_id: str | None = None,
        deduplication_id: str | None = None,
        delay_seconds: int | None = None,
    ) -> SQSMessageId:
        """Send one message.

        Args:
            message: The body: bytes, str, or anything that serialises to JSON.
            queue: Name, URL or ARN. It is never created by publishing.
            headers: Any number; str, bytes and numbers keep their type.
            correlation_id: Default: a new one.
            reply_to: Queue that receivers send their reply to.
            group_id: At most 128 characters; required on FIFO queues.
            deduplication_id: FIFO only; None relies on content-based deduplication.
            delay_seconds: 0 to 900; standard queues only.

        Returns:
            The id that SQS assigned, with the `sequence_number` on FIFO queues.

        Raises:
            SetupError: A message for a FIFO queue has no group.
            MessageTooLargeError: The message is above 1 MiB with its attributes.
            ClientError: SQS rejected it, or was unavailable for about ten seconds.
            EntryFailedError: The same within a coalesced call.
        """
        cmd = SQSPublishCommand(
            message,
            queue=queue,
            headers=dict(headers or {}),
            correlation_id=correlation_id or self.config.id_generator(),
            reply_to=reply_to,
            group_id=group_id,
            deduplication_id=deduplication_id,
            delay_seconds=delay_seconds,
            _publish_type=PublishType.PUBLISH,
        )
        sent: SQSMessageId = await self._basic_publish(cmd, producer=self.config.producer)
        return sent

    async def publish_batch(
        self,
        *messages: "SendableMessage",
        queue: str = "",
        headers: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        reply_to: str = "",
        group_id: str | None = None,
        delay_seconds: int | None = None,
    ) -> list[SQSMessageId]:
        """Send messages ten per call; an `SQSPublishMessage` carries its own options.

        Returns:
            One id per message, in order.

        Raises:
            BatchPublishError: Some failed for good; it names them, and the others were sent.
        """
        cmd = SQSPublishCommand(
            *(messages or (None,)),
            queue=queue,
            headers=dict(headers or {}),
            correlation_id=correlation_id or self.config.id_generator(),
            reply_to=reply_to,
            group_id=group_id,
            delay_seconds=delay_seconds,
            _publish_type=PublishType.PUBLISH,
        )
        sent: list[SQSMessageId] = await self._basic_publish_batch(
            cmd, producer=self.config.producer
        )
        return sent

    async def request(  # type: ignore[override]  # as every broker: the options are its own
        self,
        message: "SendableMessage" = None,
        queue: str = "",
        *,
        headers: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        delay_seconds: int | None = None,
        timeout: float = 0.5,  # noqa: ASYNC109 - FastStream's signature
    ) -> "SQSMessage":
        """Send one message and wait for its reply, which arrives in a private queue.

        The private queue is created by the first request and deleted by `stop()`.

        Args:
            message: As in `publish`.
            queue: As in `publish`.
            headers: As in `publish`.
            correlation_id: As in `publish`; it identifies the reply.
            group_id: As in `publish`.
            deduplication_id: As in `publish`.
            delay_seconds: As in `publish`.
            timeout: Seconds from sending to reply. Default: 0.5.

        Raises:
            TimeoutError: No reply arrived in time.
        """
        cmd = SQSPublishCommand(
            message,
            queue=queue,
            headers=dict(headers or {}),
            correlation_id=correlation_id or self.config.id_generator(),
            group_id=group_id,
            deduplication_id=deduplication_id,
            delay_seconds=delay_seconds,
            timeout=timeout,
            _publish_type=PublishType.REQUEST,
        )
        reply: SQSMessage = await self._basic_request(cmd, producer=self.config.producer)
        return reply
