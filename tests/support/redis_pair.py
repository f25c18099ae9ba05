"""Run Redis as it is operated: a primary behind a name, and a replica that can take over."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import unused_ports
from deploy.local.settings import HOST
from tests.support.eventually import eventually
from tests.support.redis_name import RedisName
from tests.support.redis_server import RedisServer

FOLLOW_SECONDS = 30


@dataclass
class RedisPair:
    """Hold a primary, the name that leads to it, and a replica that follows over a link."""

    primary: RedisServer
    name: RedisName
    link: RedisName
    """The name of the primary for its replica."""
    _replica: RedisServer | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.name.port}/0"

    @property
    def replica(self) -> RedisServer:
        assert self._replica is not None
        return self._replica

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

    async def follow(self, replica: RedisServer) -> None:
        """Attach a running server as the replica, and wait until it has everything."""
        self._replica = replica
        await replica.run("REPLICAOF", HOST, self.link.port)
        await eventually(self.in_step, seconds=FOLLOW_SECONDS)

    async def replace_replica(self) -> None:
        """Replace the replica by a new server."""
        await self.remove_replica()
        replica = await _started(self.primary.folder.parent)
        await self.follow(replica)

    async def remove_replica(self) -> None:
        """Kill the replica, if there is one."""
        if self._replica is not None:
            await self._replica.kill()
            self._replica = None

    async def in_step(self) -> bool:
        """Return whether the replica has received what the primary has written."""
        mine, theirs = await asyncio.gather(
            self.replica.info("replication"), self.primary.info("replication")
        )
        return bool(
            mine.get("master_link_status") == "up"
            and mine["slave_repl_offset"] >= theirs["master_repl_offset"] - 1_000
        )

    def freeze(self) -> None:
        """Let the replica fall behind from now on."""
        self.link.frozen.clear()

    async def fail_over(self, *, keep_old: bool = True, read_only: bool = True) -> None:
        """Promote the replica, and move the name to it.

        With `keep_old` the old primary lives on as a replica, and closes no connection; unless it
        is `read_only`, it goes on accepting writes.
        """
        old, self.primary, self._replica = self.primary, self.replica, None
        await self.link.disconnect()
        await self.primary.run("REPLICAOF", "NO", "ONE")
        self.link.frozen.set()
        await self.link.move(self.primary.port, keep_connections=False)
        if not keep_old:
            await old.kill()
        await self.name.move(self.primary.port, keep_connections=keep_old)
        if keep_old:
            await old.configure(replica_read_only="yes" if read_only else "no")
            await self.follow(old)

    async def close(self) -> None:
        """Close the names and kill both servers."""
        await self.name.close()
        await self.link.close()
        for server in (self.primary, self._replica):
            if server is not None:
                await server.kill()


@contextlib.asynccontextmanager
async def redis_pair(folder: Path, port: int) -> AsyncIterator[RedisPair]:
    """Run a primary whose name has a port; it has no replica yet."""
    pair = await _named(await _started(folder), port)
    try:
        yield pair
    finally:
        await pair.close()


@contextlib.asynccontextmanager
async def two_servers(*folders: Path) -> AsyncIterator[list[RedisServer]]:
    """Start a server in each folder."""
    ports = unused_ports(len(folders))
    servers = [RedisServer(folder, port) for folder, port in zip(folders, ports, strict=True)]
    for server in servers:
        await server.start()
    yield servers
    for server in servers:
        await server.kill()


@contextlib.asynccontextmanager
async def paired(primary: RedisServer, replica: RedisServer) -> AsyncIterator[RedisPair]:
    """Make an empty pair of two running servers, which are left running."""
    await primary.run("REPLICAOF", "NO", "ONE")
    await primary.run("FLUSHALL")
    pair = await _named(primary, 0)
    async with pair.name, pair.link:
        await pair.follow(replica)
        yield pair


async def _started(parent: Path) -> RedisServer:
    (port,) = unused_ports(1)
    server = RedisServer(parent / f"node-{port}", port)
    await server.start()
    return server


async def _named(primary: RedisServer, port: int) -> RedisPair:
    name, link = RedisName(port, primary.port), RedisName(0, primary.port)
    return RedisPair(primary, await name.open(), await link.open())
