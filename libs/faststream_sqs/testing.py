"""Test brokers without SQS: published messages are handled at once, in memory."""

import asyncio
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from time import time
from typing import TYPE_CHECKING, Any, cast, overload
from uuid import uuid4

from faststream.exceptions import SubscriberNotFound

from faststream_sqs.broker.broker import SQSBroker
from faststream_sqs.connection import SQSConnection, checked_size
from faststream_sqs.faststream_internals import (
    DefaultCodec,
    EnterType,
    ParserComposition,
    TestBroker,
    change_producer,
    parsers_of,
    serializer_of,
)
from faststream_sqs.message import SQSRawMessage
from faststream_sqs.parser import SQSParser
from faststream_sqs.publisher.producer import SQSProducer, encode, encode_batch
from faststream_sqs.response import SQSMessageId, SQSPublishCommand
from faststream_sqs.schemas import queue_name
from faststream_sqs.subscriber.usecase import SQSSubscriber

if TYPE_CHECKING:
    from fast_depends.library.serializer import SerializerProto

    from faststream_sqs.connection import Entry
    from faststream_sqs.publisher.usecase import SQSPublisher

__all__ = ("FakeProducer", "TestSQSBroker")


class TestSQSBroker(TestBroker[SQSBroker, EnterType], broker=SQSBroker):
    """Run handlers in the publisher's task, with SQS's encoding but without SQS.

    Args:
        brokers: One or more brokers that see each other's messages.
        with_real: Talk to the real service and only record the calls.
        connect_only: Leave starting to a `TestApp`.
    """

    @overload
    def __init__(
        self: "TestSQSBroker[SQSBroker]",
        broker: SQSBroker,
        /,
        *,
        with_real: bool = False,
        connect_only: bool | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: "TestSQSBroker[tuple[SQSBroker, ...]]",
        *brokers: SQSBroker,
        with_real: bool = False,
        connect_only: bool | None = None,
    ) -> None: ...

    def __init__(
        self,
        *brokers: SQSBroker,
        with_real: bool = False,
        connect_only: bool | None = None,
    ) -> None:
        super().__init__(*brokers, with_real=with_real, connect_only=connect_only)

    def create_publisher_fake_subscriber(
        self, broker: SQSBroker, publisher: "SQSPublisher"
    ) -> tuple[SQSSubscriber, bool]:
        """Return the subscriber of the publisher's queue, or create one."""
        for candidate in (s for b in self.brokers for s in b.subscribers):
            subscriber = cast("SQSSubscriber", candidate)
            if subscriber.queue_name == publisher.queue_name:
                return subscriber, True
        return broker.subscriber(publisher.queue.name, persistent=False), False

    @contextmanager
    def _patch_producer(self, broker: SQSBroker) -> Generator[None, None, None]:
        config = broker.config.broker_config
        config.in_memory = True
        try:
            with change_producer(config, FakeProducer(broker, self.brokers)):
                yield
        finally:
            config.in_memory = False

    async def _fake_connect(self, broker: SQSBroker, *_: Any, **__: Any) -> Any:
        return SQSConnection(broker.config.broker_config.options)


class FakeProducer(SQSProducer):
    """Pass published messages to the subscribers of their queue and wait for them.

    Args:
        broker: The broker whose codec and parsers are used.
        brokers: The brokers whose subscribers receive messages.
    """

    def __init__(self, broker: SQSBroker, brokers: Sequence[SQSBroker]) -> None:
        super().__init__()
        self.broker = broker
        self.brokers = brokers
        default = SQSParser()
        parser, decoder = parsers_of(broker)
        self._parser = ParserComposition(parser, default.parse_message)
        self._decoder = ParserComposition(decoder, default.decode_message)
        self.codec = broker.config.broker_codec or DefaultCodec()

    def disconnect(self) -> None:
        """Do nothing: there is no connection."""

    @property
    def subscribers(self) -> Iterable[SQSSubscriber]:
        return (cast("SQSSubscriber", s) for b in self.brokers for s in b.subscribers)

    async def publish(self, cmd: SQSPublishCommand) -> SQSMessageId:
        raw = await self._message(cmd, cmd.body)
        for subscriber in self._consumers(cmd.destination):
            await subscriber.process_message([raw] if subscriber.batch else raw)
        return SQSMessageId(raw.message_id, raw.attributes.get("SequenceNumber"))

    async def publish_batch(self, cmd: SQSPublishCommand) -> list[SQSMessageId]:
        entries = await encode_batch(cmd, self.codec, self._serializer)
        raws = [_accepted(cmd.destination, entry) for entry in entries]
        for subscriber in self._consumers(cmd.destination):
            if subscriber.batch:
                await subscriber.process_message(raws)
                continue
            for raw in raws:
                await subscriber.process_message(raw)
        return [SQSMessageId(raw.message_id, raw.attributes.get("SequenceNumber")) for raw in raws]

    async def request(self, cmd: SQSPublishCommand) -> SQSRawMessage:
        raw = await self._message(cmd, cmd.body)
        for subscriber in self._consumers(cmd.destination):
            async with asyncio.timeout(cmd.timeout):
                result = await subscriber.process_message([raw] if subscriber.batch else raw)
            return await self._message(SQSPublishCommand.from_cmd(result.as_publish_command()))
        raise SubscriberNotFound

    def _consumers(self, destination: str) -> list[SQSSubscriber]:
        name = queue_name(destination)
        return [subscriber for subscriber in self.subscribers if subscriber.queue_name == name]

    @property
    def _serializer(self) -> "SerializerProto | None":
        return serializer_of(self.broker.config.broker_config)

    async def _message(self, cmd: SQSPublishCommand, body: Any = None) -> SQSRawMessage:
        content = cmd.body if body is None else body
        return _accepted(cmd.destination, await encode(cmd, content, self.codec, self._serializer))


def _accepted(destination: str, entry: "Entry") -> SQSRawMessage:
    checked_size(entry)
    return _received(queue_name(destination), entry)


def _received(queue: str, entry: "Entry") -> SQSRawMessage:
    now = str(int(time() * 1000))
    attributes = {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": now,
        "ApproximateFirstReceiveTimestamp": now,
    }
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        if name in entry:
            attributes[name] = entry[name]
    return SQSRawMessage(
        queue=queue,
        queue_url=queue,
        message_id=str(uuid4()),
        receipt_handle=uuid4().hex,
        body=entry["MessageBody"],
        attributes=attributes,
        message_attributes=entry.get("MessageAttributes", {}),
    )
