"""Register subscribers and publishers with a broker or a router."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from faststream.middlewares import AckPolicy

from faststream_sqs.broker.config import SQSBrokerConfig
from faststream_sqs.faststream_internals import EMPTY, Registrator
from faststream_sqs.publisher.factory import create_publisher
from faststream_sqs.publisher.usecase import SQSBatchPublisher, SQSPublisher
from faststream_sqs.schemas import SQSQueue
from faststream_sqs.subscriber.config import SQSSubscriberConfig, SQSSubscriberSpecificationConfig
from faststream_sqs.subscriber.factory import create_subscriber
from faststream_sqs.subscriber.usecase import (
    SQSBatchSubscriber,
    SQSDefaultSubscriber,
    SQSSubscriber,
)

if TYPE_CHECKING:
    from fast_depends.dependencies import Dependant

    from faststream_sqs.faststream_internals import BrokerMiddleware, CodecProto, CustomCallable
    from faststream_sqs.subscriber.settlement import RetryDelay


class SQSRegistrator(Registrator[Any, SQSBrokerConfig]):
    """Register endpoints; `SQSBroker` and `SQSRouter` derive from it."""

    @overload  # type: ignore[override]  # as every broker: the options are the broker's own
    def subscriber(
        self,
        queue: str | SQSQueue,
        *,
        max_workers: int = ...,
        batch: Literal[False] = ...,
        max_messages: int = ...,
        wait_time_seconds: int = ...,
        visibility_timeout: int | None = ...,
        heartbeat: bool = ...,
        retry_delay: "RetryDelay" = ...,
        pollers: int = ...,
        unwrap_sns: bool = ...,
        ack_policy: AckPolicy = ...,
        no_reply: bool = ...,
        dependencies: Sequence["Dependant"] = ...,
        parser: "CustomCallable | None" = ...,
        decoder: "CustomCallable | None" = ...,
        codec: "CodecProto | None" = ...,
        persistent: bool = ...,
        title: str | None = ...,
        description: str | None = ...,
        include_in_schema: bool = ...,
    ) -> SQSDefaultSubscriber: ...

    @overload
    def subscriber(
        self,
        queue: str | SQSQueue,
        *,
        max_workers: int = ...,
        batch: Literal[True],
        max_messages: int = ...,
        wait_time_seconds: int = ...,
        visibility_timeout: int | None = ...,
        heartbeat: bool = ...,
        retry_delay: "RetryDelay" = ...,
        pollers: int = ...,
        unwrap_sns: bool = ...,
        ack_policy: AckPolicy = ...,
        no_reply: bool = ...,
        dependencies: Sequence["Dependant"] = ...,
        parser: "CustomCallable | None" = ...,
        decoder: "CustomCallable | None" = ...,
        codec: "CodecProto | None" = ...,
        persistent: bool = ...,
        title: str | None = ...,
        description: str | None = ...,
        include_in_schema: bool = ...,
    ) -> SQSBatchSubscriber: ...

    def subscriber(
        self,
        queue: str | SQSQueue,
        *,
        max_workers: int = 1,
        batch: bool = False,
        max_messages: int = 10,
        wait_time_seconds: int = 20,
        visibility_timeout: int | None = None,
        heartbeat: bool = True,
        retry_delay: "RetryDelay" = None,
        pollers: int = 1,
        unwrap_sns: bool = False,
        # broker arguments
        ack_policy: AckPolicy = EMPTY,
        no_reply: bool = False,
        dependencies: Sequence["Dependant"] = (),
        parser: "CustomCallable | None" = None,
        decoder: "CustomCallable | None" = None,
        codec: "CodecProto | None" = None,
        persistent: bool = True,
        # AsyncAPI information
        title: str | None = None,
        description: str | None = None,
        include_in_schema: bool = True,
    ) -> SQSSubscriber:
        """Subscribe a handler to a queue.

        Args:
            queue: Name, URL, ARN or `SQSQueue`.
            max_workers: Messages (or batches) handled at the same time. On FIFO queues groups
                run in parallel up to this number, and strictly one by one within a group.
            batch: Call the handler with a list of up to `max_messages` messages.
            max_messages: Messages of one receive, 1 to 10. A receive happens only while a worker
                is free, so at most `max_messages - 1` wait behind busy workers; 1 buffers none.
            wait_time_seconds: Long poll, 0 to 20, at most a second less than the broker's
                `graceful_timeout`: stopping waits for the poll in flight.
            visibility_timeout: Seconds, 1 to 43,200. None: the queue's own.
            heartbeat: Extend every received message each half visibility timeout, from its
                receipt until it is settled, for at most 12 hours.
            retry_delay: Seconds before a nacked message returns, or a function from the receive
                count to seconds. None: 1, 2, 4 … up to 900.
            pollers: Receives in flight at the same time.
            unwrap_sns: Read through the SNS envelope if there is one.
            ack_policy: Default: the broker's, else `NACK_ON_ERROR`.
            no_reply: Do not reply to messages that name a reply queue.
            dependencies: FastDepends dependencies of the handler.
            parser: Custom parser of raw messages.
            decoder: Custom decoder of message bodies.
            codec: Custom codec; replaces the decoder.
            persistent: Keep the subscriber when nothing else refers to it.
            title: AsyncAPI title.
            description: AsyncAPI description.
            include_in_schema: Show it in the AsyncAPI document.

        Raises:
            SetupError: An option is out of range.
        """
        the_queue = SQSQueue.of(queue)
        config = SQSSubscriberConfig(
            queue=the_queue,
            max_workers=max_workers,
            max_messages=max_messages,
            wait_time_seconds=wait_time_seconds,
            visibility_timeout=visibility_timeout,
            heartbeat=heartbeat,
            retry_delay=retry_delay,
            pollers=pollers,
            unwrap_sns=unwrap_sns,
            no_reply=no_reply,
            _outer_config=cast("SQSBrokerConfig", self.config),
            _ack_policy=ack_policy,
        )
        specification = SQSSubscriberSpecificationConfig(
            queue=the_queue,
            title_=title,
            description_=description,
            include_in_schema=include_in_schema,
        )
        subscriber = create_subscriber(config, specification, batch=batch)
        super().subscriber(subscriber, persistent=persistent)
        return subscriber.add_call(
            parser_=parser or self._parser,
            decoder_=decoder or self._decoder,
            codec_=codec,
            dependencies_=dependencies,
        )

    @overload  # type: ignore[override]  # as subscriber
    def publisher(
        self,
        queue: str | SQSQueue,
        *,
        headers: Mapping[str, Any] | None = ...,
        reply_to: str = ...,
        group_id: str | None = ...,
        deduplication_id: str | None = ...,
        delay_seconds: int | None = ...,
        batch: Literal[False] = ...,
        persistent: bool = ...,
        title: str | None = ...,
        description: str | None = ...,
        schema: Any | None = ...,
        include_in_schema: bool = ...,
    ) -> SQSPublisher: ...

    @overload
    def publisher(
        self,
        queue: str | SQSQueue,
        *,
        headers: Mapping[str, Any] | None = ...,
        reply_to: str = ...,
        group_id: str | None = ...,
        deduplication_id: str | None = ...,
        delay_seconds: int | None = ...,
        batch: Literal[True],
        persistent: bool = ...,
        title: str | None = ...,
        description: str | None = ...,
        schema: Any | None = ...,
        include_in_schema: bool = ...,
    ) -> SQSBatchPublisher: ...

    def publisher(
        self,
        queue: str | SQSQueue,
        *,
        headers: Mapping[str, Any] | None = None,
        reply_to: str = "",
        group_id: str | None = None,
        deduplication_id: str | None = None,
        delay_seconds: int | None = None,
        batch: bool = False,
        persistent: bool = True,
        # AsyncAPI information
        title: str | None = None,
        description: str | None = None,
        schema: Any | None = None,
        include_in_schema: bool = True,
    ) -> SQSPublisher:
        """Create a publisher; as a decorator it sends what the handler returns.

        Args:
            queue: Name, URL, ARN or `SQSQueue`. It is never created by publishing.
            headers: Sent with every message; those of a call win.
            reply_to: Queue that receivers send their replies to.
            group_id: Message group of every message, at most 128 characters. Required on FIFO
                queues here or per message; allowed on standard queues (fair queues).
            deduplication_id: FIFO only; None relies on content-based deduplication.
            delay_seconds: 0 to 900; standard queues only. None: the queue's own.
            batch: Send the items of a returned sequence as messages of one batch.
            persistent: Keep the publisher when nothing else refers to it.
            title: AsyncAPI title.
            description: AsyncAPI description.
            schema: AsyncAPI type of the message.
            include_in_schema: Show it in the AsyncAPI document.

        Raises:
            SetupError: Options contradict each other.
        """
        publisher = create_publisher(
            queue=queue,
            headers=headers,
            reply_to=reply_to,
            group_id=group_id,
            deduplication_id=deduplication_id,
            delay_seconds=delay_seconds,
            batch=batch,
            config=cast("SQSBrokerConfig", self.config),
            title_=title,
            description_=description,
            schema_=schema,
            include_in_schema=include_in_schema,
        )
        super().publisher(publisher, persistent=persistent)
        return publisher

    def include_router(
        self,
        router: "SQSRegistrator",  # type: ignore[override]  # only routers of its own kind
        *,
        prefix: str = "",
        dependencies: Sequence["Dependant"] = (),
        middlewares: Sequence["BrokerMiddleware[Any, Any]"] = (),
        include_in_schema: bool | None = None,
    ) -> None:
        """Register the endpoints of a router with this broker or router.

        Raises:
            TypeError: It is the router of another broker.
        """
        if not isinstance(router, SQSRegistrator):
            raise TypeError(f"an SQSBroker includes SQSRouters, not {type(router).__name__}")
        super().include_router(
            router,
            prefix=prefix,
            dependencies=dependencies,
            middlewares=middlewares,
            include_in_schema=include_in_schema,
        )
