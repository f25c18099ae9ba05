"""Fetch messages for `get_one` and iteration."""

import asyncio

from faststream_sqs.message import SQSRawMessage
from faststream_sqs.subscriber.inbox import Inbox

_SHORT_POLL_PAUSE = 0.1
_LONGEST_POLL = 20


class Puller:
    """Fetch up to `size` messages at a time and hold them until the next fetch.

    A receive is never cut off, since what it brings would be in flight unseen: when the
    caller gives up it continues, and its messages are returned to the queue.
    """

    def __init__(self, inbox: Inbox, size: int) -> None:
        self._inbox = inbox
        self._size = size
        self._in_hand: list[SQSRawMessage] = []
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None] | asyncio.Task[list[SQSRawMessage]]] = set()

    async def pull(self, timeout: float) -> list[SQSRawMessage]:  # noqa: ASYNC109 - ends between receives
        """Fetch messages, or none after `timeout` seconds or when closed."""
        self._inbox.let_go(self._in_hand)
        self._in_hand = []
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while not self._stopping.is_set():
            wait = int(max(min(deadline - loop.time(), _LONGEST_POLL), 0))
            messages = await self._receive(wait)
            if self._stopping.is_set():
                await self._inbox.give_back(messages)
                break
            if messages or loop.time() >= deadline:
                self._in_hand = messages
                return messages
            if wait == 0:
                await self._pause(min(_SHORT_POLL_PAUSE, deadline - loop.time()))
        return []

    @property
    def closed(self) -> bool:
        return self._stopping.is_set()

    def close(self) -> "set[asyncio.Task[None] | asyncio.Task[list[SQSRawMessage]]]":
        """Stop fetching; return the fetches in flight."""
        self._stopping.set()
        return set(self._tasks)

    async def _receive(self, wait: int) -> list[SQSRawMessage]:
        task = asyncio.get_running_loop().create_task(self._inbox.receive(self._size, wait))
        self._keep(task)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._keep(asyncio.get_running_loop().create_task(self._return(task)))
            raise

    async def _return(self, receiving: "asyncio.Task[list[SQSRawMessage]]") -> None:
        await asyncio.wait([receiving])
        if not receiving.cancelled() and receiving.exception() is None:
            await self._inbox.give_back(receiving.result())

    def _keep(self, task: "asyncio.Task[None] | asyncio.Task[list[SQSRawMessage]]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
