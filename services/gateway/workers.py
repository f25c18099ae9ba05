"""Several processes on one port: started together, replaced when they end, ended together."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field

import structlog

WORKER = "GATEWAY_WORKER"
"""Environment variable: the number of a worker, from 0."""
PAUSE_SECONDS = 1.0
"""Before a worker that died is replaced: one that dies at once must not keep the machine busy."""

log = structlog.get_logger(__name__)


def number() -> int | None:
    """Which worker this process is; None for the process that starts them."""
    text = os.environ.get(WORKER)
    return int(text) if text else None


@dataclass(slots=True)
class Supervisor:
    count: int
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Keep `count` workers alive until SIGTERM or SIGINT, then wait for their end."""
        loop = asyncio.get_running_loop()
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, self._stopped.set)
        async with asyncio.TaskGroup() as workers:
            for worker in range(self.count):
                workers.create_task(self._keep(worker))

    async def _keep(self, worker: int) -> None:
        while not self._stopped.is_set():
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway", "run", env={**os.environ, WORKER: str(worker)}
            )
            await self._until_end(process)
            if process.returncode and not self._stopped.is_set():
                log.error("worker_died", worker=worker, exit_code=process.returncode)
                await self._pause()

    async def _until_end(self, process: asyncio.subprocess.Process) -> None:
        ended = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(self._stopped.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not ended.done():
            process.terminate()
        await ended

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(PAUSE_SECONDS):
                await self._stopped.wait()
        except TimeoutError:
            return
