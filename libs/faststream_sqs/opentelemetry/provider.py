"""Describe messages for spans and metrics; queues are labelled by name, never by URL."""

from typing import TYPE_CHECKING, Any

from faststream.opentelemetry import TelemetrySettingsProvider
from faststream.opentelemetry.consts import MESSAGING_DESTINATION_PUBLISH_NAME
from opentelemetry.semconv.trace import SpanAttributes

from faststream_sqs.message import SQSRawMessage
from faststream_sqs.response import SQSPublishCommand
from faststream_sqs.schemas import queue_name

if TYPE_CHECKING:
    from faststream.message import StreamMessage

_SYSTEM = "aws_sqs"


class SQSTelemetrySettingsProvider(TelemetrySettingsProvider[SQSRawMessage, SQSPublishCommand]):
    """Describe single messages."""

    messaging_system = _SYSTEM

    def get_consume_attrs_from_message(self, msg: "StreamMessage[SQSRawMessage]") -> dict[str, Any]:
        return {
            SpanAttributes.MESSAGING_SYSTEM: _SYSTEM,
            SpanAttributes.MESSAGING_MESSAGE_ID: msg.message_id,
            SpanAttributes.MESSAGING_MESSAGE_CONVERSATION_ID: msg.correlation_id,
            SpanAttributes.MESSAGING_MESSAGE_PAYLOAD_SIZE_BYTES: len(msg.body),
            MESSAGING_DESTINATION_PUBLISH_NAME: msg.raw_message.queue,
        }

    def get_consume_destination_name(self, msg: "StreamMessage[SQSRawMessage]") -> str:
        return msg.raw_message.queue

    def get_publish_attrs_from_cmd(self, cmd: SQSPublishCommand) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            SpanAttributes.MESSAGING_SYSTEM: _SYSTEM,
            SpanAttributes.MESSAGING_DESTINATION_NAME: queue_name(cmd.destination),
            SpanAttributes.MESSAGING_MESSAGE_CONVERSATION_ID: cmd.correlation_id,
        }
        if (count := len(cmd.batch_bodies)) > 1:
            attributes[SpanAttributes.MESSAGING_BATCH_MESSAGE_COUNT] = count
        return attributes

    def get_publish_destination_name(self, cmd: SQSPublishCommand) -> str:
        return queue_name(cmd.destination)


class SQSBatchTelemetrySettingsProvider(
    TelemetrySettingsProvider[list[SQSRawMessage], SQSPublishCommand]
):
    """Describe batches."""

    messaging_system = _SYSTEM

    def get_consume_attrs_from_message(
        self, msg: "StreamMessage[list[SQSRawMessage]]"
    ) -> dict[str, Any]:
        return {
            SpanAttributes.MESSAGING_SYSTEM: _SYSTEM,
            SpanAttributes.MESSAGING_MESSAGE_ID: msg.message_id,
            SpanAttributes.MESSAGING_MESSAGE_CONVERSATION_ID: msg.correlation_id,
            SpanAttributes.MESSAGING_MESSAGE_PAYLOAD_SIZE_BYTES: sum(map(len, msg.body)),
            SpanAttributes.MESSAGING_BATCH_MESSAGE_COUNT: len(msg.raw_message),
            MESSAGING_DESTINATION_PUBLISH_NAME: msg.raw_message[0].queue,
        }

    def get_consume_destination_name(self, msg: "StreamMessage[list[SQSRawMessage]]") -> str:
        return msg.raw_message[0].queue

    get_publish_attrs_from_cmd = SQSTelemetrySettingsProvider.get_publish_attrs_from_cmd
    get_publish_destination_name = SQSTelemetrySettingsProvider.get_publish_destination_name


def telemetry_provider(
    msg: SQSRawMessage | list[SQSRawMessage] | None,
) -> SQSTelemetrySettingsProvider | SQSBatchTelemetrySettingsProvider:
    """Return the provider for a subscriber's messages; published ones are the same for both."""
    if isinstance(msg, list):
        return SQSBatchTelemetrySettingsProvider()
    return SQSTelemetrySettingsProvider()
