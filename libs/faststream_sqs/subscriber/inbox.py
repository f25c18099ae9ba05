"""Receive messages and hold them until they are settled."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from faststream_sqs.client import is_missing_queue, is_transient
from faststream_sqs.connection import SQSConnection
from faststream_sqs.message import SYSTEM_ATTRIBUTES, Outcome, SQSRawMessage
from faststream_sqs.schemas import SQSQueue, queue_name
from faststream_sqs.subscriber.caution import Caution
from faststream_sqs.subscriber.leases import LeaseKeeper
from faststream_sqs.subscriber.settlement import Reject, Settlement

if TYPE_CHECKING:
    from faststream_sqs.subscriber.config import SQSSubscriberConfig

Report = Callable[[int, str, BaseException | None], None]
_DEFAULT_VISIBILITY = 30


class Inbox:
    """Receive from one queue, and hold each message until it is settled or returned.

    Args:
        connection: Where the calls go.
        queue: The queue, prefixes included.
        config: Options of the subscriber.
        reject: What becomes of refused messages.
        report: Called with a level, a text and an error.
    """

    def __init__(
        self,
        connection: SQSConnection,
        queue: SQSQueue,
        config: "SQSSubscriberConfig",
        *,
        reject: Reject,
        report: Report,
    ) -> None:
        self._connection = connection
        self._queue = queue
        self._name = queue_name(queue.name)
        self._config = config
        self._report = report
        self._url = ""
        self._held: dict[str, SQSRawMessage] = {}
        self._caution = Caution()
        self._leases = LeaseKeeper(connection.change_visibility, self._lease_failed)
        self._leases.enabled = config.heartbeat
        self._settlement = Settlement(
            connection,
            self._leases,
            reject=reject,
            retry_delay=config.retry_delay,
            log=report,
            forget=self._forget,
        )

    async def receive(
        self, count: int, wait: int, attempt_id: str | None = None
    ) -> list[SQSRawMessage]:
        """Receive once, at most `count` messages in `wait` seconds, and hold the messages."""
        if not self._url:
            await self._find_queue()
        count, wait = self._caution.limit(count, wait)
        options: dict[str, Any] = {}
        if self._config.visibility_timeout is not None:
            options["VisibilityTimeout"] = self._config.visibility_timeout
        if attempt_id is not None and self._queue.fifo:
            options["ReceiveRequestAttemptId"] = attempt_id
        received = await self._connection.client.receive(
            QueueUrl=self._url,
            MaxNumberOfMessages=count,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=SYSTEM_ATTRIBUTES,
            MessageAttributeNames=["All"],
            **options,
        )
        now = asyncio.get_running_loop().time()
        messages = [message for item in received if (message := self._hold(item, now))]
        if self._queue.fifo:
            self._caution.received(messages)
        return messages

    def lost_queue(self) -> None:
        """Look the queue up again before the next receive."""
        self._connection.queues.forget(self._queue.name)
        self._url = ""

    def let_go(self, messages: Sequence[SQSRawMessage]) -> None:
        """Stop holding messages that are settled, or that the handler chose not to settle."""
        self._caution.done(messages)
        for message in messages:
            if message.outcome is Outcome.DELETED:
                continue  # until the delete is answered it may come back to us
            self._leases.drop(message)
            self._forget(message)

    def failed(self, messages: Sequence[SQSRawMessage]) -> None:
        """Expect the redelivery of handled messages that were not deleted."""
        if self._queue.fifo:
            self._caution.failed(
                message for message in messages if message.outcome is not Outcome.DELETED
            )

    async def give_back(self, messages: Sequence[SQSRawMessage]) -> None:
        """Make unstarted messages visible at once; else the visibility timeout does it."""
        held = [message for message in messages if message.outcome is None]
        try:
            await self._settlement.release(held, 0)
        except Exception as error:  # noqa: BLE001 - nothing is lost, it comes later
            self._report(logging.WARNING, "messages could not be returned at once", error)
        self.let_go(messages)

    async def close(self) -> None:
        """Finish every submitted delete and release, and end all tasks."""
        await self._connection.flush(self._url)
        await self._leases.close()
        self._held.clear()

    async def _find_queue(self) -> None:
        url = await self._connection.queues.url(self._queue.name)
        timeout = self._config.visibility_timeout
        self._leases.timeout = await self._queue_timeout(url) if timeout is None else timeout
        self._url = url

    async def _queue_timeout(self, url: str) -> int:
        try:
            attributes = await self._connection.queues.attributes(url)
        except Exception as error:
            if is_missing_queue(error) or is_transient(error):
                raise
            # a role may receive without being allowed to look
            self._report(logging.WARNING, "visibility timeout unknown, 30 s assumed", error)
            return _DEFAULT_VISIBILITY
        return int(attributes.get("VisibilityTimeout", _DEFAULT_VISIBILITY))

    def _hold(self, item: dict[str, Any], now: float) -> SQSRawMessage | None:
        """Hold a message; for one that is held already, only its newer receipt handle is stored."""
        message_id = item["MessageId"]
        if (known := self._held.get(message_id)) is not None:
            self._hold_again(known, item["ReceiptHandle"], now)
            return None
        message = SQSRawMessage(
            queue=self._name,
            queue_url=self._url,
            message_id=message_id,
            receipt_handle=item["ReceiptHandle"],
            body=item.get("Body", ""),
            attributes=item.get("Attributes") or {},
            message_attributes=item.get("MessageAttributes") or {},
            settlement=self._settlement,
            received_at=now,
        )
        self._held[message_id] = message
        self._leases.hold(message)
        return message

    def _hold_again(self, message: SQSRawMessage, handle: str, now: float) -> None:
        message.receipt_handle = handle
        message.received_at = now
        if message.outcome is Outcome.DELETED:
            self._settlement.delete_again(message)
            return
        message.outcome = None
        self._leases.hold(message)

    def _forget(self, message: SQSRawMessage) -> None:
        if self._held.get(message.message_id) is message:
            del self._held[message.message_id]

    def _lease_failed(self, message: SQSRawMessage, error: BaseException) -> None:
        self._report(logging.WARNING, f"message {message.message_id} could not be extended", error)
