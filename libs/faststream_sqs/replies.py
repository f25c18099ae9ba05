"""Receive replies in one private queue per broker process, created when first needed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from faststream.exceptions import IncorrectState

from faststream_sqs import wire
from faststream_sqs.client import backoff, is_missing_queue
from faststream_sqs.message import SQSRawMessage

if TYPE_CHECKING:
    from faststream_sqs.connection import SQSConnection

_PREFIX = "faststream-replies-"
# seconds; a reply that was not fetched by then belongs to a caller that no longer waits
_RETENTION_SECONDS = "300"


class Expected:
    """Represent one awaited reply."""

    def __init__(self, inbox: "ReplyInbox") -> None:
        self._inbox = inbox
        self.future: asyncio.Future[SQSRawMessage] = asyncio.get_running_loop().create_future()

    async def queue_url(self) -> str:
        """Return the URL of the queue to send the reply to."""
        return await self._inbox.url()

    async def reply(self) -> SQSRawMessage:
        return await self.future


class ReplyInbox:
    """Hold the private reply queue of a connected broker and the callers that wait for replies.

    A broker that is killed leaves its queue behind; its name starts with
    `faststream-replies-` and it has been empty since.
    """

    def __init__(self, connection: "SQSConnection") -> None:
        self._connection = connection
        self._waiting: dict[str, list[Expected]] = {}
        self._opening: asyncio.Task[str] | None = None
        self._polling: asyncio.Task[None] | None = None
        self._name = ""

    @asynccontextmanager
    async def expect(self, correlation_id: str, timeout: float) -> AsyncIterator[Expected]:  # noqa: ASYNC109 - the caller's limit
        """Wait for the reply to one request, at most `timeout` seconds after its sending.

        Raises:
            TimeoutError: when the time is over.
        """
        await self.url()
        expected = Expected(self)
        self._waiting.setdefault(correlation_id, []).append(expected)
        try:
            async with asyncio.timeout(timeout):
                yield expected
        finally:
            self._waiting[correlation_id].remove(expected)
            if not self._waiting[correlation_id]:
                del self._waiting[correlation_id]

    async def url(self) -> str:
        """Return the URL of the queue, which the first call creates."""
        if self._opening is None or (self._opening.done() and self._opening.exception()):
            self._opening = asyncio.get_running_loop().create_task(self._open())
        return await asyncio.shield(self._opening)

    async def close(self) -> None:
        """Delete the queue and wake the callers that still wait."""
        for task in (self._opening, self._polling):
            if task is not None:
                task.cancel()
        tasks = [task for task in (self._opening, self._polling) if task is not None]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for expected in [e for waiting in self._waiting.values() for e in waiting]:
            if not expected.future.done():
                expected.future.set_exception(IncorrectState("the SQS broker was stopped"))
        if results and isinstance(results[0], str):
            with suppress(Exception):  # it is empty and expires alone
                await self._connection.client.call_once("delete_queue", QueueUrl=results[0])
        self._opening = self._polling = None

    async def _open(self) -> str:
        self._name = _PREFIX + uuid4().hex
        reply = await self._connection.client.call(
            "create_queue",
            QueueName=self._name,
            Attributes={"MessageRetentionPeriod": _RETENTION_SECONDS},
        )
        url = str(reply["QueueUrl"])
        self._polling = asyncio.get_running_loop().create_task(self._poll(url))
        return url

    async def _poll(self, url: str) -> None:
        pauses = backoff(0.1, 5.0)
        while True:
            try:
                items = await self._connection.client.receive(
                    QueueUrl=url,
                    MaxNumberOfMessages=10,
                    WaitTimeSeconds=20,
                    MessageAttributeNames=["All"],
                )
            except Exception as error:  # noqa: BLE001 - requests time out meanwhile
                if is_missing_queue(error):
                    self._opening = None  # the next request makes another
                    return
                await asyncio.sleep(next(pauses))
                continue
            pauses = backoff(0.1, 5.0)
            for item in items:
                self._deliver(self._message(url, item))

    def _message(self, url: str, item: dict[str, Any]) -> SQSRawMessage:
        return SQSRawMessage(
            queue=self._name,
            queue_url=url,
            message_id=item["MessageId"],
            receipt_handle=item["ReceiptHandle"],
            body=item.get("Body", ""),
            attributes=item.get("Attributes") or {},
            message_attributes=item.get("MessageAttributes") or {},
        )

    def _deliver(self, message: SQSRawMessage) -> None:
        done = self._connection.delete(message)
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        correlation_id = wire.decode_headers(message.message_attributes).get(wire.CORRELATION_ID)
        for expected in self._waiting.get(str(correlation_id), ()):
            if not expected.future.done():
                expected.future.set_result(message)
                return
