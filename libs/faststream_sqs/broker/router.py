"""Register endpoints of a module before there is a broker."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from faststream.middlewares import AckPolicy

from faststream_sqs.broker.config import SQSBrokerConfig
from faststream_sqs.broker.registrator import SQSRegistrator
from faststream_sqs.faststream_internals import EMPTY, ArgsContainer, BrokerRouter, SubscriberRoute
from faststream_sqs.publisher.producer import SQSFakeProducer
from faststream_sqs.schemas import SQSQueue

if TYPE_CHECKING:
    from fast_depends.dependencies import Dependant

    from faststream_sqs.faststream_internals import (
        BrokerMiddleware,
        CodecProto,
        CustomCallable,
        SendableMessage,
        UnderlyingDriverAnnotations,
    )
    from faststream_sqs.subscriber.settlement import RetryDelay


class SQSRoutePublisher(ArgsContainer):
    """Describe a publisher of an `SQSRoute`; the arguments are those of `SQSBroker.publisher`."""

    def __init__(
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
    ) -> None:
        super().__init__(
            queue,
            headers=headers,
            reply_to=reply_to,
            group_id=group_id,
            deduplication_id=deduplication_id,
            delay_seconds=delay_seconds,
            batch=batch,
            persistent=persistent,
            title=title,
            description=description,
            schema=schema,
            include_in_schema=include_in_schema,
        )


class SQSRoute(SubscriberRoute):
    """Describe a handler of an `SQSRouter`; the arguments are those of `SQSBroker.subscriber`."""

    def __init__(
        self,
        call: "Callable[..., SendableMessage] | Callable[..., Awaitable[SendableMessage]]",
        queue: str | SQSQueue,
        *,
        publishers: Iterable[SQSRoutePublisher] = (),
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
    ) -> None:
        super().__init__(
            call,
            queue,
            publishers=publishers,
            max_workers=max_workers,
            batch=batch,
            max_messages=max_messages,
            wait_time_seconds=wait_time_seconds,
            visibility_timeout=visibility_timeout,
            heartbeat=heartbeat,
            retry_delay=retry_delay,
            pollers=pollers,
            unwrap_sns=unwrap_sns,
            ack_policy=ack_policy,
            no_reply=no_reply,
            dependencies=dependencies,
            parser=parser,
            decoder=decoder,
            codec=codec,
            persistent=persistent,
            title=title,
            description=description,
            include_in_schema=include_in_schema,
        )


class SQSRouter(SQSRegistrator, BrokerRouter[Any, SQSBrokerConfig]):
    """Register subscribers and publishers for a broker that includes the router.

    Args:
        prefix: Put before the names of its queues; URLs and ARNs stay as they are.
        handlers: Routes to register at once.
        dependencies: FastDepends dependencies of all its handlers.
        middlewares: Around all its handlers and publishers.
        routers: Routers to include.
        parser: Default parser of its subscribers.
        decoder: Default decoder of its subscribers.
        codec: Default codec of its subscribers.
        include_in_schema: None: as its endpoints say.
        ack_policy: Default of its subscribers.
        underlying_driver_annotations: See FastStream.
    """

    def __init__(
        self,
        prefix: str = "",
        handlers: Iterable[SQSRoute] = (),
        *,
        dependencies: Sequence["Dependant"] = (),
        middlewares: Sequence["BrokerMiddleware[Any, Any]"] = (),
        routers: Iterable[SQSRegistrator] = (),
        parser: "CustomCallable | None" = None,
        decoder: "CustomCallable | None" = None,
        codec: "CodecProto | None" = None,
        include_in_schema: bool | None = None,
        ack_policy: AckPolicy = EMPTY,
        underlying_driver_annotations: "UnderlyingDriverAnnotations | None" = None,
    ) -> None:
        super().__init__(
            handlers=handlers,
            config=SQSBrokerConfig(
                prefix=prefix,
                producer=SQSFakeProducer(),
                ack_policy=ack_policy,
                broker_dependencies=dependencies,
                broker_middlewares=middlewares,
                broker_parser=parser,
                broker_decoder=decoder,
                broker_codec=codec,
                include_in_schema=include_in_schema,
                underlying_driver_annotations=underlying_driver_annotations or {},
            ),
            routers=routers,
        )
