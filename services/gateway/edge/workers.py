"""Run several worker processes on one port, and replace those that end.

The supervisor opens a listening socket for each worker and keeps it open: connections in the queue
of a worker that ends are served by the one that replaces it.
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
"""Environment variable: the file descriptor of the worker's socket."""
RESTART_SECONDS = 3.0
"""Minimum time between two starts of a worker that dies; others are replaced at once."""
END_WORKER = signal.SIGTERM
"""Ends one worker; another one takes over its socket."""
END_ALL = signal.SIGINT
"""Ends a worker together with all others: no process will accept from its socket any more."""

log = structlog.get_logger(__name__)


def worker_number() -> int | None:
    """Return the number of this worker; None in a process that is not a worker."""
    text = os.environ.get(WORKER)
    return int(text) if text else None


def inherited_socket() -> socket.socket | None:
    """Return the socket that the supervisor has opened for this worker."""
    text = os.environ.get(LISTENING)
    return socket.socket(fileno=int(text)) if text else None


@dataclass(slots=True)
class Supervisor:
    """Keep a worker running on every socket."""

    sockets: Sequence[socket.socket]
    """One for each worker, all on one port."""
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Keep workers running until SIGTERM or SIGINT, then wait until they have ended."""
        loop = asyncio.get_running_loop()
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, self._stopped.set)
        async with asyncio.TaskGroup() as workers:
            for worker, listening in enumerate(self.sockets):
                workers.create_task(self._keep_running(worker, listening))

    async def _keep_running(self, worker: int, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopped.is_set():
            started = loop.time()
            process = await _start(worker, listening)
            await self._until_end(process, listening)
            if process.returncode and not self._stopped.is_set():
                log.error("worker_died", worker=worker, exit_code=process.returncode)
                await self._pause(started + RESTART_SECONDS - loop.time())

    async def _until_end(
        self, process: asyncio.subprocess.Process, listening: socket.socket
    ) -> None:
        ended = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(self._stopped.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not ended.done():
            listening.close()  # leaves the worker's copy, which it closes once its queue is empty
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(END_ALL)
        await ended

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return


async def _start(worker: int, listening: socket.socket) -> asyncio.subprocess.Process:
    descriptor = listening.fileno()
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "run",
        env={**os.environ, WORKER: str(worker), LISTENING: str(descriptor)},
        pass_fds=[descriptor],
    )  # fmt: skip
