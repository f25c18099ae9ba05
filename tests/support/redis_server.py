"""Run a Redis server that a test can kill, suspend and start again."""

import asyncio
import contextlib
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from deploy.local.settings import HOST
from tests.support.eventually import eventually


@dataclass
class RedisServer:
    """Control a Redis process that stores nothing on disk."""

    folder: Path
    """Its socket file `redis.sock` is in this folder."""
    port: int = 0
    """TCP port in addition to the socket file; 0: none."""
    options: tuple[str, ...] = ()
    """Further options of redis-server."""
    _process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        if self.port:
            return f"redis://{HOST}:{self.port}/0"
        return f"unix://{self.folder}/redis.sock"

    async def start(self) -> None:
        program = shutil.which("redis-server", path=Path(sys.executable).parent) or "redis-server"
        self._process = await asyncio.create_subprocess_exec(
            program, "--port", str(self.port), "--bind", HOST,
            "--unixsocket", f"{self.folder}/redis.sock",
            "--save", "", "--appendonly", "no", "--dir", str(self.folder), *self.options,
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await eventually(self._responds)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def kill(self) -> None:
        if self._process is not None and self.running:
            self._process.kill()
            await self._process.wait()

    def suspend(self) -> None:
        """Let it accept connections and commands without answering."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def _responds(self) -> bool:
        async with Redis.from_url(f"unix://{self.folder}/redis.sock") as redis:
            with contextlib.suppress(RedisError, OSError):
                return bool(await redis.ping())
        return False
