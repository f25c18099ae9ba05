"""Re-export the private parts of FastStream that a broker is built from; nothing else imports them.

FastStream has no public interface for writing a broker: its own brokers derive from the classes in
`faststream._internal`. `tests/test_faststream_internals.py` fails when a release renames one.
"""

from typing import TYPE_CHECKING, Any

from faststream._internal.basic_types import DecodedMessage, LoggerProto, SendableMessage
from faststream._internal.broker import BrokerUsecase
from faststream._internal.broker.registrator import Registrator
from faststream._internal.broker.router import ArgsContainer, BrokerRouter, SubscriberRoute
from faststream._internal.configs import (
    BrokerConfig,
    PublisherSpecificationConfig,
    PublisherUsecaseConfig,
    SubscriberSpecificationConfig,
    SubscriberUsecaseConfig,
    UnderlyingDriverAnnotation,
    UnderlyingDriverAnnotations,
)
from faststream._internal.constants import EMPTY
from faststream._internal.context import Context
from faststream._internal.context.repository import ContextRepo
from faststream._internal.di import FastDependsConfig
from faststream._internal.endpoint.publisher import (
    PublisherProto,
    PublisherSpecification,
    PublisherUsecase,
)
from faststream._internal.endpoint.publisher.fake import FakePublisher
from faststream._internal.endpoint.subscriber import SubscriberSpecification, SubscriberUsecase
from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream._internal.endpoint.utils import ParserComposition, process_msg
from faststream._internal.logger import DefaultLoggerStorage, make_logger_state
from faststream._internal.logger.logging import get_broker_logger
from faststream._internal.parser import BatchCodecProto, CodecProto, DefaultCodec
from faststream._internal.producer import ProducerProto
from faststream._internal.testing.broker import EnterType, TestBroker, change_producer
from faststream._internal.types import (
    AsyncCallable,
    BrokerMiddleware,
    CustomCallable,
    IdGenerator,
    PublisherMiddleware,
)

if TYPE_CHECKING:
    from fast_depends.library.serializer import SerializerProto

__all__ = [
    "EMPTY",
    "ArgsContainer",
    "AsyncCallable",
    "BatchCodecProto",
    "BrokerConfig",
    "BrokerMiddleware",
    "BrokerRouter",
    "BrokerUsecase",
    "CallsCollection",
    "CodecProto",
    "Context",
    "ContextRepo",
    "CustomCallable",
    "DecodedMessage",
    "DefaultCodec",
    "DefaultLoggerStorage",
    "EnterType",
    "FakePublisher",
    "FastDependsConfig",
    "IdGenerator",
    "LoggerProto",
    "ParserComposition",
    "ProducerProto",
    "PublisherMiddleware",
    "PublisherProto",
    "PublisherSpecification",
    "PublisherSpecificationConfig",
    "PublisherUsecase",
    "PublisherUsecaseConfig",
    "Registrator",
    "SendableMessage",
    "SubscriberRoute",
    "SubscriberSpecification",
    "SubscriberSpecificationConfig",
    "SubscriberUsecase",
    "SubscriberUsecaseConfig",
    "TestBroker",
    "UnderlyingDriverAnnotation",
    "UnderlyingDriverAnnotations",
    "change_producer",
    "get_broker_logger",
    "make_logger_state",
    "parsers_of",
    "process_msg",
    "serializer_of",
]


def serializer_of(config: BrokerConfig) -> "SerializerProto | None":
    """Return the serializer that a broker's handlers are called with."""
    serializer: SerializerProto | None = config.fd_config._serializer  # noqa: SLF001  see above
    return serializer


def parsers_of(broker: BrokerUsecase[Any, Any, Any]) -> tuple[Any, Any]:
    """Return the parser and the decoder that a broker was given; each may be None."""
    return broker._parser, broker._decoder  # noqa: SLF001  see above
