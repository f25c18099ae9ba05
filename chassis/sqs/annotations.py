"""What a handler may ask for by annotation."""

from typing import Annotated

from faststream._internal.context import Context
from faststream.annotations import ContextRepo, Logger
from faststream.params import NoCast

from chassis.sqs.broker.broker import SQSBroker as Broker
from chassis.sqs.connection import SQSConnection
from chassis.sqs.message import SQSBatchMessage as BatchMessage
from chassis.sqs.message import SQSMessage as Message

__all__ = (
    "Connection",
    "ContextRepo",
    "Logger",
    "NoCast",
    "SQSBatchMessage",
    "SQSBroker",
    "SQSMessage",
)

Connection = Annotated[SQSConnection, Context("broker._connection")]
SQSMessage = Annotated[Message, Context("message")]
SQSBatchMessage = Annotated[BatchMessage, Context("message")]
SQSBroker = Annotated[Broker, Context("broker")]
