"""Describe a subscriber in an AsyncAPI document."""

from faststream.specification.asyncapi.utils import resolve_payloads
from faststream.specification.schema import Message, Operation, SubscriberSpec

from faststream_sqs.bindings import channel_binding
from faststream_sqs.broker.config import SQSBrokerConfig
from faststream_sqs.faststream_internals import SubscriberSpecification
from faststream_sqs.schemas import SQSQueue, queue_name
from faststream_sqs.subscriber.config import SQSSubscriberSpecificationConfig


class SQSSubscriberSpecification(
    SubscriberSpecification[SQSBrokerConfig, SQSSubscriberSpecificationConfig],
):
    @property
    def queue(self) -> SQSQueue:
        return self.config.queue.with_prefix(self._outer_config.prefix)

    @property
    def channel_labels(self) -> list[str]:
        return [queue_name(self.queue.name)]

    def get_schema(self) -> dict[str, SubscriberSpec]:
        return {
            self.name: SubscriberSpec(
                address=queue_name(self.queue.name),
                description=self.description,
                operation=Operation(
                    message=Message(
                        title=f"{self.name}:Message",
                        payload=resolve_payloads(self.get_payloads()),
                    ),
                    bindings=None,
                ),
                bindings=channel_binding(self.queue),
            ),
        }
