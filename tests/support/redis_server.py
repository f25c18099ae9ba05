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

from tests.support.eventually import eventually


@dataclass
class RedisServer:
    """Control a Redis process that listens on a socket file and stores nothing on disk."""

    folder: Path
    _process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/redis.sock"

    async def start(self) -> None:
        program = shutil.which("redis-server", path=Path(sys.executable).parent) or "redis-server"
        self._process = await asyncio.create_subprocess_exec(
            program, "--port", "0", "--unixsocket", f"{self.folder}/redis.sock",
            "--save", "", "--appendonly", "no", "--dir", str(self.folder),
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await eventually(self._responds)

    async def kill(self) -> None:
        if self._process is not None:
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
        async with Redis.from_url(self.url) as redis:
            with contextlib.suppress(RedisError, OSError):
                return bool(await redis.ping())
        return False
