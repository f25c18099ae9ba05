"""Settle received messages: delete, return, reject or extend them."""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from faststream_sqs.connection import SQSConnection
from faststream_sqs.dead_letters import rejected_copy
from faststream_sqs.message import Outcome, SQSRawMessage
from faststream_sqs.schemas import is_fifo
from faststream_sqs.subscriber.leases import LONGEST_HOLD, LeaseKeeper

Reject: TypeAlias = Literal["delete", "dlq", "leave"]
RetryDelay: TypeAlias = int | Callable[[int], int] | None
_LONGEST_RETRY_DELAY = 900
# deletes that may wait before a worker has to
_BACKLOG = 1_000


def default_retry_delay(receive_count: int) -> int:
    """Return the seconds until the next attempt: 1, 2, 4 … up to 900, by the number of receives."""
    return min(1 << min(receive_count - 1, 10), _LONGEST_RETRY_DELAY)


class Settlement:
    """Settle the messages of one subscriber.

    Args:
        connection: Where the calls go.
        leases: Who extends the messages meanwhile.
        reject: What becomes of a refused message.
        retry_delay: Seconds, or seconds by receive count, before a failed message returns.
        log: Called with a level, a text and an error.
        forget: Called when the delete of a message has been answered.
    """

    def __init__(
        self,
        connection: SQSConnection,
        leases: LeaseKeeper,
        *,
        reject: Reject,
        retry_delay: RetryDelay,
        log: Callable[[int, str, BaseException | None], Any],
        forget: Callable[[SQSRawMessage], None],
    ) -> None:
        self._connection = connection
        self._leases = leases
        self._reject = reject
        self._retry_delay = retry_delay
        self._log = log
        self._forget = forget

    async def delete(self, messages: Sequence[SQSRawMessage]) -> None:
        """Delete a message: awaited and in order on FIFO queues, else queued with others.

        A message whose hold has ended may not be deleted any more; then it is delivered again.

        Raises:
            Exception: FIFO only: the first failure of a message that is held, after every message
                was tried.
        """
        if not messages:
            return
        fifo = is_fifo(messages[0].queue_url)
        deletes = [self._queue_delete(message, awaited=fifo) for message in messages]
        if fifo:
            await asyncio.wait(deletes)
            await _all(
                [
                    each
                    for message, each in zip(messages, deletes, strict=True)
                    if message.outcome is not Outcome.LOST
                ]
            )
        elif self._connection.delete_backlog(messages[0].queue_url) > _BACKLOG:
            await asyncio.wait(deletes)

    def delete_again(self, message: SQSRawMessage) -> None:
        """Delete a message that was redelivered before its delete was complete."""
        self._queue_delete(message, awaited=False)

    async def release(self, messages: Sequence[SQSRawMessage], delay: float | None) -> None:
        """Make a message visible again after `delay` seconds; None: after the retry delay."""
        for message in messages:
            await self._leases.surrender(message)
        await _all([self._release(message, self._delay(message, delay)) for message in messages])

    async def reject(self, messages: Sequence[SQSRawMessage], reason: str | None = None) -> None:
        """Reject for good: delete, move to the dead-letter queue, or leave to redrive.

        Raises:
            Exception: The first failure, after every message was tried.
        """
        if self._reject == "delete":
            await self.delete(messages)
        elif self._reject == "leave":
            await self.release(messages, None)
        else:
            await self._move_all(messages, reason)

    async def extend(self, messages: Sequence[SQSRawMessage], seconds: int) -> None:
        """Keep a message invisible for `seconds` from now; the heartbeat continues from there."""
        for message in messages:
            await self._leases.surrender(message)
            capped = _capped(message, seconds)
            await self._connection.release(message, capped)
            self._leases.hold(message, capped)

    def _queue_delete(self, message: SQSRawMessage, *, awaited: bool) -> "asyncio.Future[None]":
        if not awaited:
            message.outcome = Outcome.DELETED
        future = self._connection.delete(message)

        def settled(future: "asyncio.Future[None]") -> None:
            self._leases.drop(message)
            self._forget(message)
            if future.cancelled():
                return
            if (error := future.exception()) is None:
                message.outcome = Outcome.DELETED
            elif message.outcome is Outcome.LOST:
                text = f"message {message.message_id} was handled too late, and is delivered again"
                self._log(logging.WARNING, text, error)
            elif not awaited:
                self._log(logging.ERROR, f"message {message.message_id} was not deleted", error)

        future.add_done_callback(settled)
        return future

    def _release(self, message: SQSRawMessage, delay: int) -> "asyncio.Future[None]":
        future = self._connection.release(message, delay)

        def settled(future: "asyncio.Future[None]") -> None:
            if not future.cancelled() and future.exception() is None:
                message.outcome = Outcome.RELEASED
                message.expires_at = asyncio.get_running_loop().time() + delay

        future.add_done_callback(settled)
        return future

    def _delay(self, message: SQSRawMessage, delay: float | None) -> int:
        if delay is None:
            policy = default_retry_delay if self._retry_delay is None else self._retry_delay
            delay = policy(message.receive_count) if callable(policy) else policy
        return _capped(message, delay)

    async def _move_all(self, messages: Sequence[SQSRawMessage], reason: str | None) -> None:
        errors: list[Exception] = []
        for message in messages:
            try:
                await self._move(message, reason)
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
        if errors:
            raise errors[0]

    async def _move(self, message: SQSRawMessage, reason: str | None) -> None:
        queues = self._connection.queues
        target = await queues.dead_letter_url(message.queue_url)
        if target is None:
            queues.forget(message.queue_url)  # it may be given a redrive policy meanwhile
            self._log(logging.ERROR, f"{message.queue} has no dead-letter queue to reject to", None)
            await self.release([message], None)
            return
        await self._connection.send(target, rejected_copy(message, reason))
        await self.delete([message])


def _capped(message: SQSRawMessage, seconds: float) -> int:
    """Return full seconds that do not exceed the 12 hours since the receipt."""
    held = int(asyncio.get_running_loop().time() - message.received_at) + 1
    return math.ceil(max(0, min(seconds, LONGEST_HOLD - held)))


async def _all(futures: Sequence["asyncio.Future[None]"]) -> None:
    for result in await asyncio.gather(*futures, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
