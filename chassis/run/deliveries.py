"""Decide what becomes of a message that cannot be handled: wait, count, or dead-letter it.

An outage is never counted: the message waits for its end. A message of a newer version waits for
an hour, since an instance of that version may take it. Only an error of this program counts, in
Redis, and after `MAX_FAILURES` the message is moved to the dead-letter queue with the reason.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Generic, NoReturn, TypeVar

import structlog
from faststream.exceptions import HandlerException, NackMessage, RejectMessage

from chassis.bus.commands import UnknownMessage, UnreadableMessage
from chassis.log.event_store import Conflict, UnknownEvent, UnreadableCommit
from chassis.resilience.outage import is_outage
from chassis.resilience.outages import OUTAGES, Outages
from chassis.resilience.refusals import reason_of
from faststream_sqs import SQSMessage

R = TypeVar("R")

MAX_FAILURES: Final = 5
"""Failures by an error of this program after which a message is a dead letter."""
FAILURES_SECONDS: Final = 24 * 3600
"""Time after the last failure in which the count of a message is kept."""
NOT_YET_SECONDS: Final = 3_600.0
"""Time after its first receipt in which a message of a newer version is returned."""
MAX_NOT_YET_PAUSE_SECONDS: Final = 120.0

MESSAGES: Final[Counter[tuple[str, str]]] = Counter()
"""(queue, result) -> messages of this process."""

log = structlog.get_logger(__name__)


def failures_key(message_id: str) -> str:
    """Return the Redis key that counts the failures of a message."""
    return f"message-failures:{message_id}"


def read_or_reject(read: Callable[[SQSMessage], R], message: SQSMessage) -> R:
    """Parse a message; move one that cannot be parsed to the dead-letter queue at once.

    No redelivery would help, and the message must not hold up the others of its group.

    Raises:
        RejectMessage: the message cannot be parsed.
    """
    try:
        return read(message)
    except UnreadableMessage as error:
        log.error(  # noqa: TRY400  the text gives the reason, a traceback adds nothing
            "message_unreadable",
            message_id=message.message_id,
            group=message.group_id,
            because=str(error),
        )
        raise RejectMessage(reason=f"unreadable: {error}") from error


@dataclass(frozen=True, slots=True)
class Deliveries(Generic[R]):
    """Handle the messages of one queue."""

    queue: str
    redis: Any
    read: Callable[[SQSMessage], R]
    handle: Callable[[R], Awaitable[object]]
    outages: Outages = OUTAGES
    counts: Counter[tuple[str, str]] = field(default_factory=lambda: MESSAGES)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def on_message(self, message: SQSMessage) -> None:
        """Handle a message.

        Raises:
            NackMessage: return it to the queue, uncounted.
            RejectMessage: move it to the dead-letter queue, with the reason.
            Exception: an error of this program, which was counted.
        """
        try:
            await self.handle(read_or_reject(self.read, message))
        except HandlerException as error:
            self._count("rejected" if isinstance(error, RejectMessage) else "returned")
            raise
        except asyncio.CancelledError:
            if not self.outages.stopping:
                raise
            self._return(message, "the process stops", delay=0)
        except UnreadableCommit as error:
            await self._count_failure(message, error)
            raise
        except (UnknownEvent, UnknownMessage) as error:
            self._return_until_known(message, error)
        except Conflict as error:
            self._return(message, str(error), delay=1)
        except Exception as error:
            if is_outage(error):
                stops = self.outages.stopping
                self._return(message, reason_of(error), delay=0 if stops else None)
            await self._count_failure(message, error)
            raise
        self._count("handled")

    def _return(self, message: SQSMessage, because: str, *, delay: float | None) -> NoReturn:
        """Return a message without counting; a delay of None: the subscriber's retry delay."""
        self._count("returned")
        log.info("message_returned", message_id=message.message_id, because=because)
        raise NackMessage(delay=delay)

    def _return_until_known(self, message: SQSMessage, error: Exception) -> NoReturn:
        """Return a message that a newer version may handle; after an hour dead-letter it."""
        received = message.first_received_at or self.now()
        age = (self.now() - received).total_seconds()
        if age >= NOT_YET_SECONDS:
            self._reject(message, error)
        pause = min(MAX_NOT_YET_PAUSE_SECONDS, max(2.0, age / 2))
        log.warning(
            "message_not_known_yet",
            message_id=message.message_id,
            group=message.group_id,
            because=str(error),
            returns_in_seconds=round(pause, 1),
        )
        self._count("not_yet")
        raise NackMessage(delay=pause) from error

    async def _count_failure(self, message: SQSMessage, error: Exception) -> None:
        """Count an error of this program; at the limit move the message to the dead letters."""
        key = failures_key(message.message_id)
        try:
            failures = await self._increment(key)
        except Exception as refused:
            if not is_outage(refused):
                raise
            self._return(message, f"not counted: {reason_of(refused)}", delay=None)
        if failures >= MAX_FAILURES:
            self._reject(message, error, traceback=True)
        self._count("failed")

    async def _increment(self, key: str) -> int:
        # first the expiry: a process that dies in between leaves no key for ever
        await self.redis.set(key, 0, ex=FAILURES_SECONDS, nx=True)
        return int(await self.redis.incr(key))

    def _reject(
        self, message: SQSMessage, error: Exception, *, traceback: bool = False
    ) -> NoReturn:
        self._count("rejected")
        reason = f"{type(error).__name__}: {error}"
        log.error(
            "message_rejected",
            message_id=message.message_id,
            group=message.group_id,
            because=reason,
            exc_info=error if traceback else None,
        )
        raise RejectMessage(reason=reason) from error

    def _count(self, result: str) -> None:
        self.counts[self.queue, result] += 1
