"""Several processes on one port: started together, replaced when they end, ended together.

Each has a listening socket of its own, which the supervisor has opened and keeps: who waits in the
queue of a worker that ends is answered by the one that takes its place.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

WORKER = "GATEWAY_WORKER"
"""Environment variable: the number of a worker, from 0."""
LISTENING = "GATEWAY_LISTENING"
"""Environment variable: the file descriptor of the socket that a worker has been given."""
PACE_SECONDS = 3.0
"""A place is filled once in this time: a worker that dies at once must not keep the machine busy,
one that has served for a while is replaced at once."""
THIS_ONE = signal.SIGTERM
"""Ends one worker: another one takes its place, and its socket."""
ALL = signal.SIGINT
"""Ends a worker with all others: nobody will look at its socket any more."""

log = structlog.get_logger(__name__)


def number() -> int | None:
    """Which worker this process is; None for the process that starts them."""
    text = os.environ.get(WORKER)
    return int(text) if text else None


def inherited() -> socket.socket | None:
    """The listening socket that the supervisor has opened for this worker."""
    text = os.environ.get(LISTENING)
    return socket.socket(fileno=int(text)) if text else None


@dataclass(slots=True)
class Supervisor:
    sockets: Sequence[socket.socket]
    """One for each worker, all on one port."""
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Keep a worker on every socket until SIGTERM or SIGINT, then wait for their end."""
        loop = asyncio.get_running_loop()
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, self._stopped.set)
        async with asyncio.TaskGroup() as workers:
            for worker, listening in enumerate(self.sockets):
                workers.create_task(self._keep(worker, listening))

    async def _keep(self, worker: int, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopped.is_set():
            begun = loop.time()
            process = await _start(worker, listening)
            await self._until_end(process, listening)
            if process.returncode and not self._stopped.is_set():
                log.error("worker_died", worker=worker, exit_code=process.returncode)
                await self._pause(begun + PACE_SECONDS - loop.time())

    async def _until_end(
        self, process: asyncio.subprocess.Process, listening: socket.socket
    ) -> None:
        ended = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(self._stopped.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not ended.done():
            listening.close()  # the worker's copy is the last one: it closes the queue, empty
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(ALL)
        await ended

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return


async def _start(worker: int, listening: socket.socket) -> asyncio.subprocess.Process:
    its = listening.fileno()
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "run",
        env={**os.environ, WORKER: str(worker), LISTENING: str(its)},
        pass_fds=[its],
    )  # fmt: skip
