"""Describe a publisher in an AsyncAPI document."""

from faststream.specification.asyncapi.utils import resolve_payloads
from faststream.specification.schema import Message, Operation, PublisherSpec

from faststream_sqs.bindings import channel_binding
from faststream_sqs.broker.config import SQSBrokerConfig
from faststream_sqs.faststream_internals import PublisherSpecification
from faststream_sqs.publisher.config import SQSPublisherSpecificationConfig
from faststream_sqs.schemas import SQSQueue, queue_name


class SQSPublisherSpecification(
    PublisherSpecification[SQSBrokerConfig, SQSPublisherSpecificationConfig],
):
    @property
    def queue(self) -> SQSQueue:
        return self.config.queue.with_prefix(self._outer_config.prefix)

    @property
    def name(self) -> str:
        return self.config.title_ or f"{queue_name(self.queue.name)}:Publisher"

    def get_schema(self) -> dict[str, PublisherSpec]:
        return {
            self.name: PublisherSpec(
                address=queue_name(self.queue.name),
                description=self.config.description_,
                operation=Operation(
                    message=Message(
                        title=f"{self.name}:Message",
                        payload=resolve_payloads(self.get_payloads(), "Publisher"),
                    ),
                    bindings=None,
                ),
                bindings=channel_binding(self.queue),
            ),
        }
