"""Publish replies to the queue that a message names."""

from typing import TYPE_CHECKING, Any

from faststream_sqs.faststream_internals import FakePublisher
from faststream_sqs.response import SQSPublishCommand
from faststream_sqs.schemas import is_fifo

if TYPE_CHECKING:
    from faststream.response import PublishCommand

    from faststream_sqs.faststream_internals import ProducerProto


class SQSFakePublisher(FakePublisher):
    """Publish what a handler returned to the reply queue of the request."""

    def __init__(self, producer: "ProducerProto[Any]", queue: str) -> None:
        super().__init__(producer=producer)
        self.queue = queue

    def patch_command(self, cmd: "PublishCommand") -> SQSPublishCommand:
        """Address the reply; on a FIFO queue each reply is a group, since replies need no order."""
        reply = SQSPublishCommand.from_cmd(super().patch_command(cmd))
        reply.destination = self.queue
        if is_fifo(self.queue) and reply.group_id is None:
            reply.group_id = reply.correlation_id
            reply.deduplication_id = reply.deduplication_id or reply.correlation_id
        return reply
