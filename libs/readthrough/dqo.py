"""Database Queue Object: read a table's newest row, and queue a request for a fresh one."""

import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import orjson

from readthrough.dao import DAO, REGION, Row

Send = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""`send(message_group_id, message_data)`; returns when the message has been accepted."""


class DatabaseQueueObject:
    """Read a table, and request through a queue what is missing or stale there.

    Args:
        table_name: An existing table whose rows have the number `computedAt` (UNIX seconds).
        queue_url: A FIFO queue; SQS drops a message equal to one of the last five minutes.
        region_name: The region of table and queue.
        staleness: Seconds after which a row is stale; None: a row never is.
        dao: A DAO to use instead of opening one; its owner closes it.
        send: Called instead of sending JSON to `queue_url`.
        clock: Returns UNIX seconds.
    """

    def __init__(
        self,
        table_name: str,
        queue_url: str,
        region_name: str = REGION,
        staleness: int | None = None,
        *,
        dao: DAO | None = None,
        send: Send | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.DAO = dao or DAO(table_name, region_name)
        self.queue_url = queue_url
        self.region_name = region_name
        self.staleness = staleness
        self._send = send or self._send_json
        self._clock = clock
        self._own = contextlib.AsyncExitStack()
        self._sqs: Any = None
        self._owns_dao = dao is None

    async def aclose(self) -> None:
        """Close the clients that were opened here."""
        await self._own.aclose()
        if self._owns_dao:
            await self.DAO.aclose()

    async def get_item(
        self,
        pk: str,
        MessageGroupId: str,  # noqa: N803  the name that SQS and its users know
        message_data: Mapping[str, Any],
    ) -> Row | None:
        """Return the newest row, fresh or stale, or None if there is none.

        Unless the row is fresh, a message is queued before this returns. The caller of a stale or
        missing row can therefore rely on a new one being on its way.

        Args:
            pk: Partition key of the row.
            MessageGroupId: FIFO group of the message.
            message_data: The message; JSON unless `send` was passed in.

        Raises:
            Exception: What `send` raised; nothing was queued.
        """
        row = await self.DAO.find_most_recent_by_pk(pk)
        if row is None or self.is_stale(row):
            await self.enqueue(MessageGroupId, message_data)
        return row

    def is_stale(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row is older than `staleness`; one without `computedAt` is stale."""
        if self.staleness is None:
            return False
        computed = row.get("computedAt")
        if not isinstance(computed, (int, float, Decimal)):
            return True
        return self._clock() - float(computed) >= self.staleness

    async def enqueue(self, message_group_id: str, message_data: Mapping[str, Any]) -> None:
        """Queue a message."""
        await self._send(message_group_id, message_data)

    async def _send_json(self, message_group_id: str, message_data: Mapping[str, Any]) -> None:
        if self._sqs is None:
            import aioboto3  # noqa: PLC0415  slow, and not needed with `send`

            self._sqs = await self._own.enter_async_context(
                aioboto3.Session().client("sqs", region_name=self.region_name)
            )
        body = orjson.dumps(message_data, option=orjson.OPT_SORT_KEYS)
        deduplication_id = hashlib.sha256(message_group_id.encode() + b"\n" + body).hexdigest()
        await self._sqs.send_message(
            QueueUrl=self.queue_url,
            MessageBody=body.decode(),
            MessageGroupId=message_group_id,
            MessageDeduplicationId=deduplication_id,
        )


DQO = DatabaseQueueObject
