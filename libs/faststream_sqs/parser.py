"""Parse raw messages into FastStream's; never raises, whatever was sent."""

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from faststream.message import decode_message

from faststream_sqs import wire
from faststream_sqs.message import SQSBatchMessage, SQSMessage, SQSRawMessage

if TYPE_CHECKING:
    from faststream.message import StreamMessage

    from faststream_sqs.faststream_internals import DecodedMessage

_Content = tuple[bytes, dict[str, Any]]


class SQSParser:
    """Parse single messages.

    Args:
        unwrap_sns: Read through the envelope that SNS puts around a message when raw
            delivery is off. Other bodies are left as they are.
    """

    def __init__(self, *, unwrap_sns: bool = False) -> None:
        self._unwrap_sns = unwrap_sns

    async def parse_message(self, message: SQSRawMessage) -> SQSMessage:
        body, headers = self._content(message)
        return SQSMessage(
            raw_message=message,
            body=body,
            headers=headers,
            reply_to=_text(headers.get(wire.REPLY_TO)) or "",
            content_type=_text(headers.get(wire.CONTENT_TYPE)),
            correlation_id=_text(headers.get(wire.CORRELATION_ID)),
            message_id=message.message_id,
        )

    async def decode_message(self, msg: "StreamMessage[Any]") -> "DecodedMessage":
        return decode_message(msg)

    def _content(self, message: SQSRawMessage) -> _Content:
        headers = wire.decode_headers(message.message_attributes)
        body = wire.decode_body(message.body, headers.pop(wire.BODY_ENCODING, None))
        if self._unwrap_sns and (inner := _sns(message.body)) is not None:
            return inner[0], headers | inner[1]
        return body, headers


class SQSBatchParser(SQSParser):
    """Parse batches; FastStream recognises a batch by the method name `decode_batch`."""

    async def parse_batch(self, messages: list[SQSRawMessage]) -> SQSBatchMessage:
        contents = [self._content(message) for message in messages]
        first = contents[0][1] if contents else {}
        return SQSBatchMessage(
            raw_message=messages,
            body=[body for body, _ in contents],
            headers=first,
            batch_headers=[headers for _, headers in contents],
            reply_to=_text(first.get(wire.REPLY_TO)) or "",
            content_type=_text(first.get(wire.CONTENT_TYPE)),
            correlation_id=_text(first.get(wire.CORRELATION_ID)),
            message_id=messages[0].message_id if messages else None,
        )

    async def decode_batch(self, msg: "StreamMessage[Any]") -> "list[DecodedMessage]":
        return [
            decode_message(_one(raw, body, headers))
            for raw, body, headers in zip(msg.raw_message, msg.body, msg.batch_headers, strict=True)
        ]


def _one(raw: SQSRawMessage, body: bytes, headers: dict[str, Any]) -> SQSMessage:
    return SQSMessage(
        raw_message=raw, body=body, content_type=_text(headers.get(wire.CONTENT_TYPE))
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _sns(text: str) -> _Content | None:
    if '"Notification"' not in text:
        return None
    try:
        envelope = json.loads(text)
        if envelope["Type"] != "Notification" or "TopicArn" not in envelope:
            return None
        body = envelope["Message"].encode()
        attributes = envelope.get("MessageAttributes") or {}
        headers = {name: _sns_value(value) for name, value in attributes.items()}
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
    encoding = headers.pop(wire.BODY_ENCODING, None)
    return (body if encoding is None else wire.decode_body(body.decode(), encoding)), headers


def _sns_value(attribute: dict[str, str]) -> str | bytes:
    value = attribute["Value"]
    return b64decode(value) if attribute["Type"] == "Binary" else value
