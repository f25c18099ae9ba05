"""Database Queue Object: a table's newest row, and a message when there is no fresh one."""

import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import aioboto3
import orjson

from readthrough.dao import DAO, REGION, Row

Send = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""`send(message_group_id, message_data)`; when it returns, the message is safe."""


class DatabaseQueueObject:
    """Reads a table, and asks through a queue for what is missing or stale there.

    Args:
        table_name: An existing table whose rows tell by `computedAt` (UNIX seconds) how old they
            are.
        queue_url: A FIFO queue; a message that says the same is dropped by SQS for five minutes.
        region_name: Of both.
        staleness: Seconds after which a row is stale. None: a row never is.
        dao: Instead of one that is opened here.
        send: Instead of sending JSON to `queue_url`.
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
        await self._own.aclose()
        if self._owns_dao:
            await self.DAO.aclose()

    async def get_item(
        self,
        pk: str,
        MessageGroupId: str,  # noqa: N803  the name that SQS and its users know
        message_data: Mapping[str, Any],
    ) -> Row | None:
        """The newest row, fresh or stale; None if there is none.

        Whenever it is not fresh a message is queued before this returns, so that whoever is shown
        an old row, or none, may be told that a new one is on its way.

        Raises:
            Whatever `send` raises: nothing was queued.
        """
        row = await self.DAO.find_most_recent_by_pk(pk)
        if row is None or self.is_stale(row):
            await self.enqueue(MessageGroupId, message_data)
        return row

    def is_stale(self, row: Mapping[str, Any]) -> bool:
        if self.staleness is None:
            return False
        computed = row.get("computedAt")
        if not isinstance(computed, (int, float, Decimal)):
            return True
        return self._clock() - float(computed) >= self.staleness

    async def enqueue(self, message_group_id: str, message_data: Mapping[str, Any]) -> None:
        await self._send(message_group_id, message_data)

    async def _send_json(self, message_group_id: str, message_data: Mapping[str, Any]) -> None:
        if self._sqs is None:
            self._sqs = await self._own.enter_async_context(
                aioboto3.Session().client("sqs", region_name=self.region_name)
            )
        body = orjson.dumps(message_data, option=orjson.OPT_SORT_KEYS)
        same = hashlib.sha256(message_group_id.encode() + b"\n" + body).hexdigest()
        await self._sqs.send_message(
            QueueUrl=self.queue_url,
            MessageBody=body.decode(),
            MessageGroupId=message_group_id,
            MessageDeduplicationId=same,
        )


DQO = DatabaseQueueObject
