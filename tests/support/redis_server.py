"""Run a Redis server that a test can kill, suspend, configure and start again."""

import asyncio
import contextlib
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from deploy.local.parent_death import die_with_parent
from deploy.local.settings import HOST
from tests.support.eventually import eventually

START_SECONDS = 30


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
        self.folder.mkdir(parents=True, exist_ok=True)
        program = shutil.which("redis-server", path=Path(sys.executable).parent) or "redis-server"
        self._process = await asyncio.create_subprocess_exec(
            program, "--port", str(self.port), "--bind", HOST,
            # a path relative to the folder: that of a socket file must be short
            "--dir", str(self.folder), "--unixsocket", "redis.sock",
            "--save", "", "--appendonly", "no",
            "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", *self.options,
            stdout=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )  # fmt: skip
        await eventually(self._responds, seconds=START_SECONDS)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

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

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Redis]:
        """Connect to this server, past the name by which services know it."""
        async with Redis.from_url(self.url) as client:
            yield client

    async def run(self, *command: Any) -> Any:
        """Execute a command; return the parsed reply."""
        async with self.client() as client:
            execute: Any = client.execute_command
            return await execute(*command)

    async def configure(self, **options: str) -> None:
        """Set options, named with underscores in place of hyphens."""
        async with self.client() as client:
            for name, value in options.items():
                await client.config_set(name.replace("_", "-"), value)

    async def info(self, section: str) -> dict[str, Any]:
        """Return a section of INFO."""
        async with self.client() as client:
            found: dict[str, Any] = await client.info(section)
            return found

    async def _responds(self) -> bool:
        with contextlib.suppress(RedisError, OSError):
            async with self.client() as client:
                return bool(await client.ping())
        return False
