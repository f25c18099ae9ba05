"""Let an operator's tool read a dead-letter queue, send its messages back, or delete them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from faststream_sqs import wire
from faststream_sqs.coalescer import MAX_ENTRIES
from faststream_sqs.connection import SQSConnection
from faststream_sqs.dead_letters import (
    MESSAGE_ID,
    REASON,
    RECEIVES,
    SENT_AT,
    SOURCE,
    iso,
    resent_entry,
)
from faststream_sqs.exceptions import NoDeadLetterQueueError, SQSError
from faststream_sqs.message import SYSTEM_ATTRIBUTES, SQSRawMessage
from faststream_sqs.schemas import is_fifo, queue_name

HOLD_SECONDS = 300
"""Seconds for which a message that was read is hidden from other readers, at most."""
READ_SECONDS = 240
"""Seconds after which no further messages are read, so that none becomes visible meanwhile."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Describe a dead letter; `raw` is the message as it was received."""

    raw: SQSRawMessage
    headers: dict[str, Any]

    @property
    def id(self) -> str:
        return self.raw.message_id

    @property
    def source(self) -> str | None:
        """Name of the queue that it came from, None if neither SQS nor the mover recorded it."""
        arn = self.raw.attributes.get("DeadLetterQueueSourceArn")
        recorded = self.headers.get(SOURCE) or (queue_name(arn) if arn else None)
        return None if recorded is None else str(recorded)

    @property
    def rejected(self) -> bool:
        """Whether a consumer moved it; else SQS did, after too many receives."""
        return SOURCE in self.headers

    @property
    def reason(self) -> str | None:
        reason = self.headers.get(REASON)
        return None if reason is None else str(reason)

    @property
    def receives(self) -> int:
        """How often it was received before it was moved, as far as is known."""
        recorded = self.headers.get(RECEIVES)
        return recorded if isinstance(recorded, int) else self.raw.receive_count

    @property
    def sent_at(self) -> str:
        """When it was sent: ISO 8601, UTC."""
        return str(self.headers.get(SENT_AT) or iso(self.raw.attributes.get("SentTimestamp")))

    @property
    def body(self) -> bytes:
        return wire.decode_body(self.raw.body, self.headers.get(wire.BODY_ENCODING))


class DeadLetterQueue:
    """Read a dead-letter queue; leaving the context makes visible again what was not deleted.

    Reading hides a message for five minutes at most. On a FIFO queue, SQS hands out ten messages
    of a group and no more of it before they are deleted: `behind` counts what it holds back.

    Args:
        connection: A connection of a broker.
        source: The queue whose redrive target is read.
    """

    def __init__(self, connection: SQSConnection, source: str) -> None:
        self.source = source
        self._connection = connection
        self._url = ""
        self._held: dict[str, SQSRawMessage] = {}
        self._resent: set[str] = set()

    async def __aenter__(self) -> Self:
        """Find the queue.

        Raises:
            NoDeadLetterQueueError: `source` has no redrive policy.
            ClientError: a queue does not exist, or may not be read.
        """
        queues = self._connection.queues
        target = await queues.dead_letter_url(await queues.url(self.source))
        if target is None:
            raise NoDeadLetterQueueError(f"queue {self.source} has no dead-letter queue")
        self._url = target
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self._release(list(self._held.values()))

    @property
    def name(self) -> str:
        return queue_name(self._url)

    async def behind(self) -> int:
        """Return about how many messages are in the queue that were not handed out."""
        reply = await self._connection.client.call(
            "get_queue_attributes",
            QueueUrl=self._url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )
        return max(0, sum(map(int, reply["Attributes"].values())) - len(self._held))

    async def pages(self, limit: int) -> AsyncGenerator[list[DeadLetter]]:
        """Yield the messages, ten at most at a time, until the end or `limit` messages.

        A message that `resend` has sent back and that returns meanwhile is not yielded.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READ_SECONDS
        seen = 0
        while seen < limit and loop.time() < deadline:
            received = await self._receive(min(MAX_ENTRIES, limit - seen))
            if not received:
                return
            seen += len(received)
            new = [message for message in received if message.message_id not in self._held]
            self._held |= {message.message_id: message for message in received}
            letters = [DeadLetter(m, wire.decode_headers(m.message_attributes)) for m in new]
            if page := [letter for letter in letters if not self._returned(letter)]:
                yield page

    async def resend(self, letters: Sequence[DeadLetter], queue: str) -> list[BaseException | None]:
        """Send dead letters to `queue`, then delete those whose send was confirmed.

        A process that dies in between leaves a dead letter that was sent already: sending it
        again within five minutes is harmless on FIFO queues, and a duplicate otherwise.

        Returns:
            None for each one that was sent and deleted, or the error.
        """
        fifo = is_fifo(queue)
        entries = [resent_entry(letter.raw, fifo=fifo) for letter in letters]
        sent = await self._connection.send_batch(queue, entries)
        self._resent |= {result for result in sent if isinstance(result, str)}
        confirmed = [n for n, result in enumerate(sent) if isinstance(result, str)]
        deleted = await self.delete([letters[n] for n in confirmed])
        results: list[BaseException | None] = [
            result if isinstance(result, BaseException) else None for result in sent
        ]
        for n, error in zip(confirmed, deleted, strict=True):
            results[n] = error and SQSError(f"sent, but not deleted: {error}")
        return results

    async def delete(self, letters: Sequence[DeadLetter]) -> list[BaseException | None]:
        """Delete dead letters; return None for each deleted one, or the error."""
        results = await asyncio.gather(
            *(self._connection.delete(letter.raw) for letter in letters), return_exceptions=True
        )
        for letter, result in zip(letters, results, strict=True):
            if result is None:
                self._held.pop(letter.id, None)
        return results

    async def _receive(self, count: int) -> list[SQSRawMessage]:
        items = await self._connection.client.receive(
            QueueUrl=self._url,
            MaxNumberOfMessages=count,
            WaitTimeSeconds=1,
            VisibilityTimeout=HOLD_SECONDS,
            MessageSystemAttributeNames=SYSTEM_ATTRIBUTES,
            MessageAttributeNames=["All"],
        )
        return [self._message(item) for item in items]

    def _message(self, item: dict[str, Any]) -> SQSRawMessage:
        return SQSRawMessage(
            queue=self.name,
            queue_url=self._url,
            message_id=item["MessageId"],
            receipt_handle=item["ReceiptHandle"],
            body=item.get("Body", ""),
            attributes=item.get("Attributes") or {},
            message_attributes=item.get("MessageAttributes") or {},
        )

    def _returned(self, letter: DeadLetter) -> bool:
        ids = {letter.id, str(letter.headers.get(MESSAGE_ID))}
        return not ids.isdisjoint(self._resent)

    async def _release(self, messages: list[SQSRawMessage]) -> None:
        for start in range(0, len(messages), MAX_ENTRIES):
            chunk = messages[start : start + MAX_ENTRIES]
            await self._connection.change_visibility(self._url, [(m, 0) for m in chunk])
