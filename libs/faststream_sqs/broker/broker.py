"""Connect, start and stop a FastStream broker on Amazon SQS."""

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from fast_depends import Provider, dependency_provider
from faststream.message import gen_cor_id
from faststream.middlewares import AckPolicy
from faststream.specification.schema import BrokerSpec

from faststream_sqs.broker.config import SQSBrokerConfig
from faststream_sqs.broker.logging import make_sqs_logger_state
from faststream_sqs.broker.ping import is_reachable
from faststream_sqs.broker.publishing import SQSPublishing
from faststream_sqs.broker.registrator import SQSRegistrator
from faststream_sqs.client import ClientOptions
from faststream_sqs.connection import SQSConnection
from faststream_sqs.declare import prepare_queues
from faststream_sqs.faststream_internals import EMPTY, ContextRepo, FastDependsConfig
from faststream_sqs.publisher.producer import SQSProducer
from faststream_sqs.schemas import Declare, SQSQueue

if TYPE_CHECKING:
    from types import TracebackType

    from aiobotocore.config import AioConfig
    from fast_depends.dependencies import Dependant
    from fast_depends.library.serializer import SerializerProto
    from faststream.security import BaseSecurity
    from faststream.specification.schema.extra import Tag, TagDict

    from faststream_sqs.broker.config import OnReceive
    from faststream_sqs.faststream_internals import (
        BrokerMiddleware,
        CodecProto,
        CustomCallable,
        IdGenerator,
        LoggerProto,
        UnderlyingDriverAnnotations,
    )
    from faststream_sqs.subscriber.settlement import Reject


class SQSBroker(SQSRegistrator, SQSPublishing):
    """Run FastStream on Amazon SQS.

    Args:
        endpoint_url: Another endpoint than AWS's, such as a local emulator.
        region_name: Region; None follows botocore's chain, as do the credentials.
        aws_access_key_id: Key id.
        aws_secret_access_key: Secret key.
        aws_session_token: Session token.
        session: An `aiobotocore` or `aioboto3` session, for example with an assumed role.
        client_config: A botocore config; its settings win over those of this library.
        max_pool_connections: Connections for all calls but receives, which have their own
            without a limit. Default: 32.
        ack_linger: Seconds that the first delete of a batch waits for nine others. Default:
            0.005. On FIFO queues there is no waiting: deletes gather only while one is in flight.
        send_linger: The same for `publish`, per queue. None (the default) sends each message by
            a separate call; 0.001 to 0.005 suits many concurrent publishers.
        declare: How `start()` treats the queues of its endpoints: True creates those that are
            missing, `"passive"` (the default) logs those that are missing, False does nothing.
            Publishing never creates a queue.
        reject: How a rejected message is settled: `"delete"` (the default); `"dlq"` sends it with
            its attributes to the queue's redrive target and then deletes it; `"leave"` returns it
            as a nack does, so that the redrive policy counts it.
        on_receive: Called as `on_receive(queue, error)` whenever a subscriber cannot receive, and
            with None as the error when it can again. Default: both are logged, once each.
        graceful_timeout: Seconds that `stop()` may take to finish polls and handlers. None or 0
            cancels both at once. Default: 15.
        decoder: Default decoder.
        parser: Default parser.
        codec: Default codec.
        dependencies: FastDepends dependencies of all handlers.
        middlewares: Around all handlers and publishers.
        routers: Routers to include.
        ack_policy: Default of the subscribers. Default: `NACK_ON_ERROR`.
        id_generator: Generates correlation ids.
        specification_url: AsyncAPI server URL. Default: the endpoint.
        protocol: AsyncAPI protocol. Default: `sqs`.
        protocol_version: AsyncAPI protocol version.
        description: AsyncAPI description.
        tags: AsyncAPI tags.
        security: AsyncAPI security; credentials follow the arguments above.
        logger: Logger of the broker, None for silence.
        log_level: Level of its log lines. Default: INFO.
        apply_types: Validate and inject arguments. Default: True.
        serializer: FastDepends serializer.
        provider: FastDepends provider.
        context: FastStream context.
        underlying_driver_annotations: See FastStream.
    """

    def __init__(
        self,
        *,
        endpoint_url: str | None = None,
        region_name: str | None = None,
        aws_access_key_id: str | None = None,
        aws_secret_access_key: str | None = None,
        aws_session_token: str | None = None,
        session: Any = None,
        client_config: "AioConfig | None" = None,
        max_pool_connections: int | None = None,
        ack_linger: float = 0.005,
        send_linger: float | None = None,
        declare: Declare = "passive",
        reject: "Reject" = "delete",
        on_receive: "OnReceive | None" = None,
        graceful_timeout: float | None = 15.0,
        decoder: "CustomCallable | None" = None,
        parser: "CustomCallable | None" = None,
        codec: "CodecProto | None" = None,
        dependencies: Sequence["Dependant"] = (),
        middlewares: Sequence["BrokerMiddleware[Any, Any]"] = (),
        routers: Iterable[SQSRegistrator] = (),
        ack_policy: AckPolicy = EMPTY,
        id_generator: "IdGenerator" = gen_cor_id,
        # AsyncAPI args
        specification_url: str | None = None,
        protocol: str | None = None,
        protocol_version: str | None = None,
        description: str | None = None,
        tags: Iterable["Tag | TagDict"] = (),
        security: "BaseSecurity | None" = None,
        # logging args
        logger: "LoggerProto | None" = EMPTY,
        log_level: int = logging.INFO,
        # FastDepends args
        apply_types: bool = True,
        serializer: "SerializerProto | None" = EMPTY,
        provider: Provider | None = None,
        context: ContextRepo | None = None,
        underlying_driver_annotations: "UnderlyingDriverAnnotations | None" = None,
    ) -> None:
        client = ClientOptions(
            endpoint_url=endpoint_url,
            region_name=region_name,
            aws_access_key_id=aws_access_key_id,
            aws_secret_access_key=aws_secret_access_key,
            aws_session_token=aws_session_token,
            session=session,
            client_config=client_config,
            max_pool_connections=max_pool_connections,
        )
        fast_depends = FastDependsConfig(
            use_fastdepends=apply_types,
            serializer=serializer,
            provider=provider or dependency_provider,
            context=context or ContextRepo(),
        )
        specification = BrokerSpec(
            description=description,
            url=[specification_url or endpoint_url or _public_endpoint(region_name)],
            protocol=protocol or "sqs",
            protocol_version=protocol_version,
            tags=tags,
            security=security,
        )
        super().__init__(
            routers=routers,
            config=SQSBrokerConfig(
                options=client,
                declare=declare,
                reject=reject,
                on_receive=on_receive,
                ack_linger=ack_linger,
                send_linger=send_linger,
                producer=SQSProducer(parser=parser, decoder=decoder),
                broker_middlewares=middlewares,
                broker_parser=parser,
                broker_decoder=decoder,
                broker_codec=codec,
                logger=make_sqs_logger_state(logger=logger, log_level=log_level),
                fd_config=fast_depends,
                broker_dependencies=dependencies,
                graceful_timeout=graceful_timeout,
                ack_policy=ack_policy,
                id_generator=id_generator,
                extra_context={"broker": self},
                underlying_driver_annotations=underlying_driver_annotations or {},
            ),
            specification=specification,
        )

    async def _connect(self) -> SQSConnection:
        config = self.config.broker_config
        connection = config.new_connection()
        await connection.open()
        config.connect(connection)
        return connection

    async def start(self) -> None:
        """Connect, declare or check the queues, and start the subscribers.

        Raises:
            SetupError: A queue to declare exists with other attributes.
        """
        connection = await self.connect()
        await prepare_queues(
            connection,
            [
                endpoint.queue  # type: ignore[attr-defined]  # SQS endpoints have a queue
                for endpoint in (*self.subscribers, *self.publishers)
            ],
            self.config.broker_config.declare,
            self._report,
        )
        await super().start()

    async def stop(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: "TracebackType | None" = None,
    ) -> None:
        """Stop polls, finish handlers, send what was queued, then close; `start()` works again."""
        connection = self._connection
        try:
            await super().stop(exc_type, exc_val, exc_tb)
        finally:
            if connection is not None:
                self._connection = None
                await self._disconnect(connection)

    async def _disconnect(self, connection: SQSConnection) -> None:
        config = self.config.broker_config
        try:
            if isinstance(config.producer, SQSProducer):
                await config.producer.close_replies()
            await connection.finish()
        finally:
            config.disconnect()
            await connection.close()

    async def ping(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - FastStream's signature
        """Return whether SQS answers and accepts the credentials, within `timeout` seconds.

        The default is 5 seconds. It looks up one of the broker's queues, which needs no permission
        beyond those of its use.
        """
        if self._connection is None:
            return False
        endpoints = (*self.subscribers, *self.publishers)
        name = endpoints[0].queue_name if endpoints else "ping"  # type: ignore[attr-defined]
        return await is_reachable(self._connection.client, name, timeout or 5.0)

    def _report(self, level: int, text: str, queue: SQSQueue) -> None:
        self.config.logger.log(text, level, extra={"queue": queue.name, "message_id": ""})


def _public_endpoint(region_name: str | None) -> str:
    return (
        f"https://sqs.{region_name}.amazonaws.com" if region_name else "https://sqs.amazonaws.com"
    )
