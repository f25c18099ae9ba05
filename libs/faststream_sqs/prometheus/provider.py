"""Describe messages for metrics; queues are labelled by name, never by URL."""

from typing import TYPE_CHECKING, Any

from faststream.prometheus import ConsumeAttrs, MetricsSettingsProvider

from faststream_sqs.message import SQSRawMessage
from faststream_sqs.response import SQSPublishCommand
from faststream_sqs.schemas import queue_name

if TYPE_CHECKING:
    from faststream.message import StreamMessage

_Received = SQSRawMessage | list[SQSRawMessage]


class SQSMetricsSettingsProvider(MetricsSettingsProvider[_Received, SQSPublishCommand]):
    """Describe single messages and batches."""

    messaging_system = "aws_sqs"

    def get_consume_attrs_from_message(self, msg: "StreamMessage[Any]") -> ConsumeAttrs:
        raw = msg.raw_message
        if isinstance(raw, list):
            return {
                "destination_name": raw[0].queue,
                "message_size": sum(map(len, msg.body)),
                "messages_count": len(raw),
            }
        return {
            "destination_name": raw.queue,
            "message_size": len(msg.body),
            "messages_count": 1,
        }

    def get_publish_destination_name_from_cmd(self, cmd: SQSPublishCommand) -> str:
        return queue_name(cmd.destination)


def metrics_provider(_: _Received | None) -> SQSMetricsSettingsProvider:
    return SQSMetricsSettingsProvider()
