"""Run Redis as it is operated: a primary behind a name, and a replica that can take over."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from deploy.local.ports import unused_ports
from deploy.local.programs import Program, redis
from deploy.local.runner import start
from deploy.local.settings import HOST, LocalSettings
from tests.support.eventually import eventually
from tests.support.redis_name import RedisName
from tests.support.stack import stop

REPLICATION = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")


@dataclass
class RedisNode:
    """Control one Redis process, past the name by which the services know it."""

    folder: Path
    port: int
    arguments: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    async def start(self, *more: str) -> "RedisNode":
        settings = LocalSettings(redis_port=self.port, LOCAL_STATE=self.folder)
        program = redis(settings)
        arguments = [*program.arguments, *REPLICATION, *self.arguments, *more]
        self.process = start(Program(arguments, program.environment), subprocess.DEVNULL)
        await eventually(self.responds, seconds=30)
        return self

    async def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            await asyncio.to_thread(self.process.wait)
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process)
            self.process = None

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Redis]:
        async with Redis.from_url(self.url) as client:
            yield client

    async def responds(self) -> bool:
        with contextlib.suppress(RedisError, OSError):
            async with self.client() as client:
                return bool(await client.ping())
        return False

    async def run(self, *command: Any) -> Any:
        async with self.client() as client:
            execute: Any = client.execute_command
            return await execute(*command)

    async def configure(self, **options: str) -> None:
        async with self.client() as client:
            for name, value in options.items():
                await client.config_set(name.replace("_", "-"), value)

    async def info(self, section: str) -> dict[str, Any]:
        async with self.client() as client:
            found: dict[str, Any] = await client.info(section)
            return found


@dataclass
class RedisPair:
    """Hold a name, the primary behind it, and a replica that follows over a link."""

    settings: LocalSettings
    primary: RedisNode
    name: RedisName
    link: RedisName | None = None
    replica: RedisNode | None = None
    nodes: list[RedisNode] = field(default_factory=list)

    @classmethod
    async def start(cls, settings: LocalSettings) -> "RedisPair":
        """Start a primary whose name has the port of `settings`."""
        (port,) = unused_ports(1)
        primary = RedisNode(settings.state / f"node-{port}", port)
        name = RedisName(settings.redis_port, port)
        pair = cls(settings, primary, name, nodes=[primary])
        await primary.start()
        await name.open()
        return pair

    async def die(self) -> None:
        """Kill the primary without a save, as if its host were lost; connections are refused."""
        await self.primary.kill()
        await self.name.close()

    async def revive(self) -> None:
        """Start an empty primary."""
        await self.primary.start()
        await self.name.open()

    async def restart(self) -> None:
        await self.die()
        await self.revive()

    async def follow(self) -> None:
        """Attach a new replica, and wait until it has everything."""
        if self.link is None:
            self.link = await RedisName(0, self.primary.port).open()
        await self.link.move(self.primary.port, keep_connections=False)
        (port,) = unused_ports(1)
        self.replica = RedisNode(self.settings.state / f"node-{port}", port)
        self.nodes.append(self.replica)
        await self.replica.start()
        await self.replica.run("REPLICAOF", HOST, self.link.port)
        await eventually(self.in_step, seconds=30)

    async def in_step(self) -> bool:
        """Return whether the replica has received what the primary has written."""
        assert self.replica is not None
        mine, theirs = await asyncio.gather(
            self.replica.info("replication"), self.primary.info("replication")
        )
        return bool(
            mine.get("master_link_status") == "up"
            and mine["slave_repl_offset"] >= theirs["master_repl_offset"] - 1_000
        )

    def freeze(self) -> None:
        """Let the replica fall behind from now on."""
        assert self.link is not None
        self.link.frozen.clear()

    async def fail_over(self, *, keep_old: bool) -> None:
        """Promote the replica and move the name to it.

        With `keep_old` the old primary lives on as a replica, and closes no connection.
        """
        assert self.link is not None
        assert self.replica is not None
        old, self.primary, self.replica = self.primary, self.replica, None
        await self.link.disconnect()
        await self.primary.run("REPLICAOF", "NO", "ONE")
        self.link.frozen.set()
        if keep_old:
            await old.run("REPLICAOF", HOST, self.primary.port)
        else:
            await old.kill()
            self.nodes.remove(old)
        await self.name.move(self.primary.port, keep_connections=keep_old)

    async def remove_replicas(self) -> None:
        """Stop every node except the primary."""
        for node in [node for node in self.nodes if node is not self.primary]:
            await node.kill()
            self.nodes.remove(node)
        self.replica = None

    async def stop(self) -> None:
        for each in (self.name, self.link):
            if each is not None:
                await each.close()
        for node in self.nodes:
            await asyncio.to_thread(node.stop)
