"""Hold the clients and queues of a connected broker, and make the calls that change a queue."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from faststream.exceptions import IncorrectState

from faststream_sqs.client import (
    ClientOptions,
    SQSClient,
    is_missing_queue,
    is_throttled,
    may_be_one_entry,
)
from faststream_sqs.coalescer import Coalescer
from faststream_sqs.exceptions import EntryFailedError, MessageTooLargeError
from faststream_sqs.message import SQSRawMessage
from faststream_sqs.queues import QueueDirectory
from faststream_sqs.response import SQSMessageId
from faststream_sqs.schemas import is_fifo
from faststream_sqs.wire import MAX_MESSAGE_BYTES, entry_size

Entry = dict[str, Any]
# seconds between the attempts of entries that failed for a transient reason
_PAUSES = (0.1, 0.25, 0.5)
T = TypeVar("T")


class SQSConnection:
    """Hold the connections of a broker between its start and its stop.

    Args:
        options: How to reach SQS.
        ack_linger: Seconds that the first delete of a batch waits for others.
        send_linger: The same for sends; None sends each message in a separate call.
    """

    def __init__(
        self,
        options: ClientOptions,
        *,
        ack_linger: float = 0.005,
        send_linger: float | None = None,
    ) -> None:
        self.client = SQSClient(options)
        self.queues = QueueDirectory(self.client)
        self.prepared: set[str] = set()
        """Names of the queues of endpoints that were declared or looked up."""
        self.preparing = asyncio.Lock()
        self._ack_linger = ack_linger
        self._send_linger = send_linger
        self._sends: dict[str, Coalescer[Entry, SQSMessageId]] = {}
        self._finishing = False
        self._under_way: set[asyncio.Future[None]] = set()
        self._deletes: dict[str, Coalescer[SQSRawMessage, None]] = {}
        self._releases: dict[str, Coalescer[tuple[SQSRawMessage, int], None]] = {}

    async def open(self) -> None:
        await self.client.open()

    async def flush(self, url: str) -> None:
        """Finish the deletes and releases of one queue that have been submitted so far."""
        for coalescers in (self._deletes, self._releases):
            if coalescer := coalescers.get(url):
                await coalescer.flush()

    async def finish(self) -> None:
        """Finish what is in flight and start nothing new; called last before closing."""
        self._finishing = True
        self._ack_linger = 0.0
        for sender in self._sends.values():
            sender.hurry()
        if self._under_way:
            await asyncio.wait(self._under_way)
        coalescers: list[Coalescer[Any, Any]] = [
            *self._sends.values(),
            *self._deletes.values(),
            *self._releases.values(),
        ]
        await asyncio.gather(*(coalescer.drain() for coalescer in coalescers))

    async def close(self) -> None:
        await self.queues.close()
        await self.client.close()

    def _sending(self, queue: str) -> "_Sending":
        if self._finishing:
            raise IncorrectState("the SQS broker is stopping")
        return _Sending(self.queues, self._under_way, queue)

    async def send(self, queue: str, entry: Entry) -> SQSMessageId:
        """Send one message, together with others if a linger is set."""
        size = checked_size(entry)
        with self._sending(queue):
            url = await self.queues.url(queue)
            if self._send_linger is None:
                return _sent(await self.client.call("send_message", QueueUrl=url, **entry))
            return await self._sender(url).submit(entry, size)

    async def send_batch(
        self, queue: str, entries: Sequence[Entry]
    ) -> list[SQSMessageId | BaseException]:
        """Send messages ten per call with a result for each; on FIFO queues call after call."""
        too_large = {i: error for i, entry in enumerate(entries) if (error := size_error(entry))}
        batches = _batches([entry for i, entry in enumerate(entries) if i not in too_large])
        with self._sending(queue):
            url = await self.queues.url(queue)
            if is_fifo(queue):
                results = [await self._send(url, batch) for batch in batches]
            else:
                results = await asyncio.gather(*(self._send(url, batch) for batch in batches))
        sent = [result for batch in results for result in batch]
        if any(isinstance(a, BaseException) and is_missing_queue(a) for a in sent):
            self.queues.forget(queue)
        answers = iter(sent)
        return [too_large[i] if i in too_large else next(answers) for i in range(len(entries))]

    def delete(self, message: SQSRawMessage) -> "asyncio.Future[None]":
        """Queue a delete; the future completes when SQS has answered."""
        return self._deleter(message.queue_url).submit(message)

    def delete_backlog(self, url: str) -> int:
        return self._deleter(url).backlog

    def release(self, message: SQSRawMessage, delay: int) -> "asyncio.Future[None]":
        """Queue a change of visibility; the future completes when SQS has answered."""
        url = message.queue_url
        if url not in self._releases:
            self._releases[url] = Coalescer(
                lambda items: self.change_visibility(url, items), serial=True
            )
        return self._releases[url].submit((message, delay))

    async def change_visibility(
        self, url: str, items: Sequence[tuple[SQSRawMessage, int]]
    ) -> Sequence[BaseException | None]:
        """Set the visibility timeout of at most ten messages, in seconds from now."""
        results = await self._batch("change_message_visibility_batch", url, items, _visibility)
        return [result if isinstance(result, BaseException) else None for result in results]

    def _sender(self, url: str) -> "Coalescer[Entry, SQSMessageId]":
        if url not in self._sends:
            self._sends[url] = Coalescer(
                lambda entries: self._send(url, entries),
                linger=0.0 if self._finishing else self._send_linger or 0.0,
                serial=is_fifo(url),
                max_bytes=MAX_MESSAGE_BYTES,
            )
        return self._sends[url]

    def _deleter(self, url: str) -> "Coalescer[SQSRawMessage, None]":
        if url not in self._deletes:
            self._deletes[url] = Coalescer(
                lambda messages: self._delete(url, messages),
                linger=self._ack_linger,
                serial=is_fifo(url),
            )
        return self._deletes[url]

    async def _send(self, url: str, entries: Sequence[Entry]) -> list[SQSMessageId | BaseException]:
        results = await self._batch("send_message_batch", url, entries, dict)
        return [r if isinstance(r, BaseException) else _sent(r) for r in results]

    async def _delete(
        self, url: str, messages: Sequence[SQSRawMessage]
    ) -> Sequence[BaseException | None]:
        results = await self._batch("delete_message_batch", url, messages, _handle)
        return [result if isinstance(result, BaseException) else None for result in results]

    async def _batch(
        self, operation: str, url: str, items: Sequence[T], shape: Callable[[T], Entry]
    ) -> list[Entry | BaseException]:
        """Call, then repeat the call for the entries that failed for a transient reason.

        SQS may refuse the complete call because of one entry. Then each entry is tried alone, in
        their order, so that it gets its own answer.
        """
        results: list[Entry | BaseException] = [_NOT_ANSWERED] * len(items)
        asked = list(range(len(items)))
        for pause in (*_PAUSES, None):
            entries = [{"Id": str(index), **shape(items[index])} for index in asked]
            try:
                reply = await self.client.call(operation, QueueUrl=url, Entries=entries)
            except Exception as error:  # noqa: BLE001 - the answer of those that it concerns
                alone = len(asked) > 1 and may_be_one_entry(error)
                for index in asked:
                    results[index] = error
                    if alone:
                        (results[index],) = await self._batch(operation, url, [items[index]], shape)
                break
            _note(reply, results)
            asked = [index for index in asked if _may_retry(results[index])]
            if not asked or pause is None:
                break
            await asyncio.sleep(pause)
        return results


class _Sending:
    """Count a send as under way, and forget the URL of a queue that turns out to be missing."""

    __slots__ = ("_done", "_queue", "_queues", "_under_way")

    def __init__(
        self, queues: QueueDirectory, under_way: "set[asyncio.Future[None]]", queue: str
    ) -> None:
        self._queues, self._under_way, self._queue = queues, under_way, queue
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __enter__(self) -> None:
        self._under_way.add(self._done)

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        self._under_way.discard(self._done)
        self._done.set_result(None)
        if isinstance(error, Exception) and is_missing_queue(error):
            self._queues.forget(self._queue)


def checked_size(entry: Entry) -> int:
    """Return the bytes of an entry; reject one that SQS would reject, without a call.

    Raises:
        MessageTooLargeError: It is above 1 MiB.
    """
    if (size := entry_size(entry)) > MAX_MESSAGE_BYTES:
        raise _too_large(size)
    return size


def size_error(entry: Entry) -> MessageTooLargeError | None:
    return _too_large(size) if (size := entry_size(entry)) > MAX_MESSAGE_BYTES else None


def _too_large(size: int) -> MessageTooLargeError:
    return MessageTooLargeError(
        f"a message of {size} bytes exceeds {MAX_MESSAGE_BYTES} with its attributes"
    )


def _visibility(item: tuple[SQSRawMessage, int]) -> Entry:
    return {**_handle(item[0]), "VisibilityTimeout": item[1]}


def _handle(message: SQSRawMessage) -> Entry:
    # read when the call is made: a redelivery may have replaced it
    return {"ReceiptHandle": message.receipt_handle}


_NOT_ANSWERED = EntryFailedError("NotAnswered", "", sender_fault=False)


def _may_retry(result: Entry | BaseException) -> bool:
    return isinstance(result, EntryFailedError) and not result.sender_fault


def _note(reply: dict[str, Any], results: list[Entry | BaseException]) -> None:
    for done in reply.get("Successful") or ():
        results[int(done["Id"])] = done
    for failed in reply.get("Failed") or ():
        code = failed.get("Code", "")
        results[int(failed["Id"])] = EntryFailedError(
            code,
            failed.get("Message", ""),
            sender_fault=bool(failed.get("SenderFault")) and not is_throttled(code),
        )


def _sent(reply: Entry) -> SQSMessageId:
    return SQSMessageId(reply["MessageId"], reply.get("SequenceNumber"))


def _batches(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Split by ten and by 1 MiB, keeping the order."""
    batches: list[list[Entry]] = []
    size = 0
    for entry in entries:
        size += (weight := entry_size(entry))
        if not batches or len(batches[-1]) == 10 or size > MAX_MESSAGE_BYTES:  # noqa: PLR2004 - the limit of SQS
            batches.append([])
            size = weight
        batches[-1].append(entry)
    return batches
