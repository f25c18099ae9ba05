"""Turn publish commands into calls: encoding, limits and replies."""

from typing import TYPE_CHECKING, Any

from faststream.exceptions import IncorrectState, SetupError

from faststream_sqs import wire
from faststream_sqs.exceptions import BatchPublishError
from faststream_sqs.faststream_internals import (
    BatchCodecProto,
    DefaultCodec,
    ParserComposition,
    ProducerProto,
)
from faststream_sqs.parser import SQSParser
from faststream_sqs.replies import ReplyInbox
from faststream_sqs.response import SQSMessageId, SQSPublishCommand, SQSPublishMessage
from faststream_sqs.schemas import is_fifo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fast_depends.library.serializer import SerializerProto

    from faststream_sqs.connection import Entry, SQSConnection
    from faststream_sqs.faststream_internals import AsyncCallable, CodecProto, CustomCallable
    from faststream_sqs.message import SQSRawMessage


class SQSProducer(ProducerProto[SQSPublishCommand]):
    """Send the messages of publishers and of the broker."""

    _parser: "AsyncCallable"
    _decoder: "AsyncCallable"
    codec: "CodecProto"

    def __init__(
        self,
        parser: "CustomCallable | None" = None,
        decoder: "CustomCallable | None" = None,
    ) -> None:
        default = SQSParser()
        self._parser = ParserComposition(parser, default.parse_message)
        self._decoder = ParserComposition(decoder, default.decode_message)
        self.codec = DefaultCodec()
        self.serializer: SerializerProto | None = None
        self._open_connection: SQSConnection | None = None
        self._replies: ReplyInbox | None = None

    def connect(
        self,
        connection: "SQSConnection",
        serializer: "SerializerProto | None",
        codec: "CodecProto | None" = None,
    ) -> None:
        self._open_connection = connection
        self._replies = ReplyInbox(connection)
        self.serializer = serializer
        self.codec = codec or DefaultCodec()

    def disconnect(self) -> None:
        self._open_connection = None
        self._replies = None

    async def close_replies(self) -> None:
        """Stop waiting for replies and delete the private queue."""
        if self._replies is not None:
            await self._replies.close()

    async def publish(self, cmd: SQSPublishCommand) -> SQSMessageId:
        """Send one message.

        Raises:
            SetupError: if a message for a FIFO queue has no group.
            MessageTooLargeError: above 1 MiB.
            ClientError, EntryFailedError: if SQS refuses it for good.
        """
        connection = self._connected
        entry = await encode(cmd, cmd.body, self.codec, self.serializer)
        return await connection.send(cmd.destination, entry)

    async def publish_batch(self, cmd: SQSPublishCommand) -> list[SQSMessageId]:
        """Send messages ten per call.

        Raises:
            BatchPublishError: Some failed for good; the error names them.
        """
        connection = self._connected
        entries = await encode_batch(cmd, self.codec, self.serializer)
        results = await connection.send_batch(cmd.destination, entries) if entries else []
        return _ids(results)

    async def request(self, cmd: SQSPublishCommand) -> "SQSRawMessage":
        """Send one message and wait for its reply.

        Raises:
            TimeoutError: if none has come after the command's timeout.
        """
        connection = self._connected
        assert self._replies is not None  # noqa: S101 - set together with the connection
        async with self._replies.expect(cmd.correlation_id or "", cmd.timeout) as expected:
            cmd.reply_to = await expected.queue_url()
            entry = await encode(cmd, cmd.body, self.codec, self.serializer)
            await connection.send(cmd.destination, entry)
            return await expected.reply()

    @property
    def _connected(self) -> "SQSConnection":
        if self._open_connection is None:
            raise IncorrectState("the SQS broker is not connected: call connect() or start()")
        return self._open_connection


class SQSFakeProducer(SQSProducer):
    """Fill the place of a producer in a router, which sends nothing."""

    def __bool__(self) -> bool:
        return False


async def encode(
    cmd: SQSPublishCommand,
    body: Any,
    codec: "CodecProto",
    serializer: "SerializerProto | None",
) -> "Entry":
    """Return the arguments of SendMessage; the options of an `SQSPublishMessage` win."""
    content, content_type = await codec.encode(_content(body), serializer)
    return _entry(cmd, body, content, content_type)


async def encode_batch(
    cmd: SQSPublishCommand, codec: "CodecProto", serializer: "SerializerProto | None"
) -> "list[Entry]":
    """Return the arguments for each message of a batch, whose codec may encode all at once.

    Raises:
        ValueError: The codec returned another number of messages than it was given.
    """
    if not isinstance(codec, BatchCodecProto):
        return [await encode(cmd, body, codec, serializer) for body in cmd.batch_bodies]
    contents = await codec.encode_batch([_content(b) for b in cmd.batch_bodies], serializer)
    return [
        _entry(cmd, body, *content)
        for body, content in zip(cmd.batch_bodies, contents, strict=True)
    ]


def _content(body: Any) -> Any:
    return body.body if isinstance(body, SQSPublishMessage) else body


def _entry(cmd: SQSPublishCommand, body: Any, content: bytes, content_type: str | None) -> "Entry":
    item = body if isinstance(body, SQSPublishMessage) else None
    text, encoding = wire.encode_body(content)
    headers = {
        wire.BODY_ENCODING: encoding,
        wire.CONTENT_TYPE: content_type,
        wire.CORRELATION_ID: (item and item.correlation_id) or cmd.correlation_id,
        wire.REPLY_TO: cmd.reply_to or None,
        **cmd.headers,
        **(item.headers if item else {}),
    }
    entry: Entry = {
        "MessageBody": text,
        "MessageGroupId": (item and item.group_id) or cmd.group_id,
        "MessageDeduplicationId": (item and item.deduplication_id) or cmd.deduplication_id,
        "DelaySeconds": item.delay_seconds
        if item and item.delay_seconds is not None
        else cmd.delay_seconds,
        "MessageAttributes": wire.encode_headers(headers) or None,
    }
    if is_fifo(cmd.destination) and not entry["MessageGroupId"]:
        raise SetupError(f"a message for {cmd.destination} needs a group_id")
    return {name: value for name, value in entry.items() if value is not None}


def _ids(results: "Sequence[SQSMessageId | BaseException]") -> list[SQSMessageId]:
    failed = {i: r for i, r in enumerate(results) if isinstance(r, BaseException)}
    ids = [r for r in results if not isinstance(r, BaseException)]
    if not failed:
        return ids
    sent = [None if isinstance(r, BaseException) else r for r in results]
    raise BatchPublishError(failed, sent)
