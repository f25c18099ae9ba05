"""Run a primary and a replica behind one name, and fail over from one to the other."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from deploy.local.ports import unused_ports
from deploy.local.settings import HOST
from tests.support.eventually import eventually
from tests.support.redis_name import RedisName
from tests.support.redis_server import RedisServer


@dataclass
class Pair:
    """Two servers, and a name that leads to the primary."""

    primary: RedisServer
    replica: RedisServer
    name: RedisName

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.name.port}/0"

    async def fail_over(self, *, read_only: bool = True) -> None:
        """Promote the replica, and demote the primary, which closes no connection."""
        async with Redis.from_url(self.replica.url) as redis:
            await redis.replicaof("NO", "ONE")
        await self.name.move(self.replica.port, keep_connections=True)
        async with Redis.from_url(self.primary.url) as redis:
            await redis.config_set("replica-read-only", "yes" if read_only else "no")
            await redis.replicaof(HOST, self.replica.port)
            await eventually(lambda: _linked(redis))
        self.primary, self.replica = self.replica, self.primary


async def _linked(redis: Redis) -> bool:
    return bool((await redis.info("replication")).get("master_link_status") == "up")


@contextlib.asynccontextmanager
async def two_servers(*folders: Path) -> AsyncIterator[list[RedisServer]]:
    """Start a server in each folder."""
    options = ("--repl-diskless-sync-delay", "0")
    ports = unused_ports(len(folders))
    servers = [RedisServer(f, port, options) for f, port in zip(folders, ports, strict=True)]
    for server in servers:
        await server.start()
    yield servers
    for server in servers:
        await server.kill()


@contextlib.asynccontextmanager
async def paired(primary: RedisServer, replica: RedisServer) -> AsyncIterator[Pair]:
    """Make an empty pair of two servers, behind a name that leads to the first one."""
    async with Redis.from_url(primary.url) as redis:
        await redis.replicaof("NO", "ONE")
        await redis.flushall()
    async with Redis.from_url(replica.url) as redis:
        await redis.replicaof(HOST, primary.port)
        await eventually(lambda: _linked(redis))
    async with RedisName(0, primary.port) as name:
        yield Pair(primary, replica, name)
