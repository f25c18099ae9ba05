"""Define the errors of this transport."""

from collections.abc import Mapping, Sequence

from faststream.exceptions import FastStreamException

from faststream_sqs.response import SQSMessageId


class SQSError(FastStreamException):
    """Base of the errors that this transport defines."""


class MessageTooLargeError(SQSError):
    """Body and attributes exceed 1 MiB; nothing was sent."""


class EntryFailedError(SQSError):
    """One entry of a batch call was rejected.

    Attributes:
        code: The error code of the service, such as `InvalidMessageContents`.
        sender_fault: True when repeating the same entry cannot help.
    """

    def __init__(self, code: str, message: str, *, sender_fault: bool) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.sender_fault = sender_fault


class NoDeadLetterQueueError(SQSError):
    """A queue has no redrive policy, and so no dead-letter queue."""


class BatchPublishError(SQSError):
    """Some messages of a `publish_batch` could not be sent; the others were.

    Attributes:
        failed: Index in the batch to the reason.
        message_ids: One id per message in the given order, None for the failed ones.
    """

    def __init__(
        self,
        failed: Mapping[int, BaseException],
        message_ids: Sequence[SQSMessageId | None],
    ) -> None:
        reasons = ", ".join(f"#{index}: {reason}" for index, reason in failed.items())
        super().__init__(f"{len(failed)} of {len(message_ids)} messages were not sent ({reasons})")
        self.failed = dict(failed)
        self.message_ids = list(message_ids)
