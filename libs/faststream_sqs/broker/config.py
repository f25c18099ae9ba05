"""Hold the configuration of a broker or router."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from faststream.exceptions import IncorrectState

from faststream_sqs.client import ClientOptions
from faststream_sqs.connection import SQSConnection
from faststream_sqs.declare import declare_late
from faststream_sqs.faststream_internals import (
    BrokerConfig,
    UnderlyingDriverAnnotation,
    UnderlyingDriverAnnotations,
    serializer_of,
)
from faststream_sqs.schemas import Declare, SQSQueue
from faststream_sqs.subscriber.settlement import Reject

if TYPE_CHECKING:
    from collections.abc import Mapping

OnReceive: TypeAlias = Callable[[str, Exception | None], None]
"""Is called with the name of a queue, and why receiving from it failed: each time it fails, and
with None when it succeeds again."""


def _driver_annotations() -> UnderlyingDriverAnnotations:
    # the annotations reach this module through the broker: they exist once the package is built
    from faststream_sqs import annotations  # noqa: PLC0415
    from faststream_sqs.broker.broker import SQSBroker  # noqa: PLC0415
    from faststream_sqs.message import SQSMessage  # noqa: PLC0415

    rows: Mapping[Any, UnderlyingDriverAnnotation] = {
        SQSBroker: UnderlyingDriverAnnotation(
            type_hint=annotations.SQSBroker, module=annotations.__name__, name="SQSBroker"
        ),
        SQSMessage: UnderlyingDriverAnnotation(
            type_hint=annotations.SQSMessage, module=annotations.__name__, name="SQSMessage"
        ),
        SQSConnection: UnderlyingDriverAnnotation(
            type_hint=annotations.Connection, module=annotations.__name__, name="Connection"
        ),
    }
    return MappingProxyType(rows)


@dataclass(kw_only=True)
class SQSBrokerConfig(BrokerConfig):
    """Hold the options of a broker; endpoints read them late, through their router."""

    options: ClientOptions = field(default_factory=ClientOptions)
    declare: Declare = "passive"
    reject: Reject = "delete"
    ack_linger: float = 0.005
    send_linger: float | None = None
    on_receive: OnReceive | None = None
    in_memory: bool = False
    _connection: SQSConnection | None = field(default=None, init=False, repr=False)
    default_driver_annotations: UnderlyingDriverAnnotations = field(
        default_factory=_driver_annotations
    )

    @property
    def connection(self) -> SQSConnection:
        """The open connection.

        Raises:
            IncorrectState: Before `connect()` and after `stop()`.
        """
        if self._connection is None:
            raise IncorrectState("the SQS broker is not connected: call connect() or start()")
        return self._connection

    async def declare_late(self, queue: SQSQueue) -> None:
        """Declare a queue that `start()` has not seen, if queues are declared at all."""
        if self._connection is not None and not self.in_memory:
            await declare_late(self._connection, queue, self.declare)

    def new_connection(self) -> SQSConnection:
        return SQSConnection(self.options, ack_linger=self.ack_linger, send_linger=self.send_linger)

    def connect(self, connection: SQSConnection) -> None:
        self._connection = connection
        self.producer.connect(connection, serializer_of(self), self.broker_codec)  # type: ignore[attr-defined]

    def disconnect(self) -> None:
        self._connection = None
        self.producer.disconnect()  # type: ignore[attr-defined]
