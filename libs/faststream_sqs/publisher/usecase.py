"""Publish to a queue, with options for its messages."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from faststream.response import PublishType

from faststream_sqs.faststream_internals import PublisherUsecase
from faststream_sqs.response import SQSMessageId, SQSPublishCommand
from faststream_sqs.schemas import SQSQueue, queue_name

if TYPE_CHECKING:
    from faststream.response import PublishCommand

    from faststream_sqs.broker.config import SQSBrokerConfig
    from faststream_sqs.faststream_internals import (
        PublisherMiddleware,
        PublisherSpecification,
        SendableMessage,
    )
    from faststream_sqs.message import SQSMessage
    from faststream_sqs.publisher.config import SQSPublisherConfig


class SQSPublisher(PublisherUsecase):
    """Publish single messages; what a handler returns is one message."""

    _outer_config: "SQSBrokerConfig"
    _batch = False

    def __init__(
        self,
        config: "SQSPublisherConfig",
        specification: "PublisherSpecification[Any, Any]",
    ) -> None:
        super().__init__(config, specification)
        self._queue = config.queue
        self.headers = config.headers
        self.reply_to = config.reply_to
        self.group_id = config.group_id
        self.deduplication_id = config.deduplication_id
        self.delay_seconds = config.delay_seconds

    @property
    def queue(self) -> SQSQueue:
        """The queue, with the prefixes of its routers."""
        return self._queue.with_prefix(self._outer_config.prefix)

    @property
    def queue_name(self) -> str:
        return queue_name(self.queue.name)

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
    ) -> Any:
        """Send one message; options that are not given are the publisher's.

        Returns:
            The `SQSMessageId`.
        """
        cmd = SQSPublishCommand(
            message,
            queue=queue or self.queue.name,
            headers=self.headers | dict(headers or {}),
            correlation_id=correlation_id or self._outer_config.id_generator(),
            reply_to=reply_to or self.reply_to,
            group_id=group_id or self.group_id,
            deduplication_id=deduplication_id or self.deduplication_id,
            delay_seconds=self.delay_seconds if delay_seconds is None else delay_seconds,
            _publish_type=PublishType.PUBLISH,
        )
        await self._outer_config.declare_late(self.queue)
        return await self._basic_publish(
            cmd, producer=self._outer_config.producer, _extra_middlewares=()
        )

    async def request(
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
        """Send one message and wait up to `timeout` seconds for the reply."""
        cmd = SQSPublishCommand(
            message,
            queue=queue or self.queue.name,
            headers=self.headers | dict(headers or {}),
            correlation_id=correlation_id or self._outer_config.id_generator(),
            group_id=group_id or self.group_id,
            deduplication_id=deduplication_id or self.deduplication_id,
            delay_seconds=self.delay_seconds if delay_seconds is None else delay_seconds,
            timeout=timeout,
            _publish_type=PublishType.REQUEST,
        )
        await self._outer_config.declare_late(self.queue)
        reply: SQSMessage = await self._basic_request(cmd, producer=self._outer_config.producer)
        return reply

    async def _publish(
        self,
        cmd: "PublishCommand | SQSPublishCommand",
        *,
        _extra_middlewares: Iterable["PublisherMiddleware"],
    ) -> None:
        """Publish what a handler returned."""
        command = self._addressed(SQSPublishCommand.from_cmd(cmd, batch=self._batch))
        await self._outer_config.declare_late(self.queue)
        send = self._basic_publish_batch if self._batch else self._basic_publish
        await send(
            command, producer=self._outer_config.producer, _extra_middlewares=_extra_middlewares
        )

    def _addressed(self, cmd: SQSPublishCommand) -> SQSPublishCommand:
        cmd.destination = cmd.destination or self.queue.name
        cmd.reply_to = cmd.reply_to or self.reply_to
        cmd.add_headers(self.headers, override=False)
        cmd.group_id = cmd.group_id or self.group_id
        cmd.deduplication_id = cmd.deduplication_id or self.deduplication_id
        if cmd.delay_seconds is None:
            cmd.delay_seconds = self.delay_seconds
        return cmd


class SQSBatchPublisher(SQSPublisher):
    """Publish several messages at once; each item of a returned sequence is a message."""

    _batch = True

    async def publish(  # type: ignore[override]  # a batch takes its messages one by one
        self,
        *messages: "SendableMessage",
        queue: str = "",
        headers: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        reply_to: str = "",
        group_id: str | None = None,
        delay_seconds: int | None = None,
    ) -> list[SQSMessageId]:
        """Send messages ten per call.

        Raises:
            BatchPublishError: Some failed for good; the error names them.
        """
        cmd = SQSPublishCommand(
            *(messages or (None,)),
            queue=queue or self.queue.name,
            headers=self.headers | dict(headers or {}),
            correlation_id=correlation_id or self._outer_config.id_generator(),
            reply_to=reply_to or self.reply_to,
            group_id=group_id or self.group_id,
            delay_seconds=self.delay_seconds if delay_seconds is None else delay_seconds,
            _publish_type=PublishType.PUBLISH,
        )
        await self._outer_config.declare_late(self.queue)
        ids: list[SQSMessageId] = await self._basic_publish_batch(
            cmd, producer=self._outer_config.producer, _extra_middlewares=()
        )
        return ids
