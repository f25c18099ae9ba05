"""Receive FIFO messages one by one while a failed message is retried.

SQS delivers a failed message together with the messages behind it in its group, and counts a
receive for each of them. If retries were received in batches, a poisonous message would take the
healthy messages behind it along to the dead-letter queue. So messages are received one by one while
a retry is due, or is being handled and may fail again.
"""

import asyncio
from collections.abc import Iterable

from faststream_sqs.message import SQSRawMessage

_PATIENCE = 30.0
"""Seconds after its due time for which a retry is expected; another consumer may receive it."""


class Caution:
    """Track the groups whose first message has failed before."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._in_work: set[str] = set()

    def failed(self, messages: Iterable[SQSRawMessage]) -> None:
        """Expect messages again, at their `expires_at`; the first of a group counts."""
        first: dict[str, float] = {}
        for message in messages:
            if message.group_id is not None:
                first.setdefault(message.group_id, message.expires_at)
        self._due |= first

    def received(self, messages: Iterable[SQSRawMessage]) -> None:
        """Record received messages, and whether they were redelivered."""
        for message in messages:
            if message.group_id is not None:
                self._due.pop(message.group_id, None)
                if message.receive_count > 1:
                    self._in_work.add(message.group_id)

    def done(self, messages: Iterable[SQSRawMessage]) -> None:
        """Record that messages are no longer being handled."""
        if self._in_work:
            self._in_work.difference_update(message.group_id or "" for message in messages)

    def limit(self, count: int, wait: int) -> tuple[int, int]:
        """Return how many messages to receive and how long to wait for them, in seconds."""
        if self._in_work:
            return 1, wait
        if not self._due:
            return count, wait
        now = asyncio.get_running_loop().time()
        self._due = {group: due for group, due in self._due.items() if due + _PATIENCE > now}
        left = min(self._due.values(), default=now + wait + 1) - now
        if left < 1:
            return 1, wait
        return count, min(wait, int(left))
