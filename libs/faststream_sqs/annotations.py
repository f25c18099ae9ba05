"""Provide the annotations by which a handler receives broker, message and connection."""

from typing import Annotated, Any

from faststream.annotations import ContextRepo, Logger
from faststream.params import NoCast

from faststream_sqs.broker.broker import SQSBroker as Broker
from faststream_sqs.connection import SQSConnection
from faststream_sqs.faststream_internals import Context
from faststream_sqs.message import SQSBatchMessage as BatchMessage
from faststream_sqs.message import SQSMessage as Message

__all__ = (
    "Connection",
    "ContextRepo",
    "Logger",
    "NoCast",
    "SQSBatchMessage",
    "SQSBroker",
    "SQSMessage",
)


class _Context(Context):
    """Look values up in the event loop; FastDepends runs what is not async in a thread.

    For every message and argument that thread costs more than the rest of its handling.
    """

    async def use(self, /, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]  # awaited where it is async
        return super().use(**kwargs)


Connection = Annotated[SQSConnection, _Context("broker._connection")]
SQSMessage = Annotated[Message, _Context("message")]
SQSBatchMessage = Annotated[BatchMessage, _Context("message")]
SQSBroker = Annotated[Broker, _Context("broker")]
