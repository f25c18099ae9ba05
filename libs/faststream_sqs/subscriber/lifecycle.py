"""Hold what a running subscriber consists of, and wait for the end of its tasks."""

import asyncio
from typing import Any

from faststream_sqs.subscriber.inbox import Inbox
from faststream_sqs.subscriber.pool import WorkerPool
from faststream_sqs.subscriber.puller import Puller


class Running:
    """Hold the objects that exist between the start and the stop of a subscriber."""

    def __init__(self, inbox: Inbox, pool: WorkerPool, puller: Puller) -> None:
        self.inbox = inbox
        self.pool = pool
        self.puller = puller
        self.stopping = asyncio.Event()
        self.pollers: set[asyncio.Task[None]] = set()

    @property
    def tasks(self) -> "set[asyncio.Task[Any]]":
        """The tasks of pollers and workers."""
        return {*self.pollers, *self.pool.tasks}


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Sleep, or return earlier if the subscriber stops."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass


async def finish(tasks: "set[asyncio.Task[Any]]", seconds: float) -> None:
    """Wait for tasks up to a deadline, cancel the late ones and wait for their end."""
    late = tasks
    if tasks and seconds > 0:
        _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
