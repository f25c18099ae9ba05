"""Run Redis as a cluster: three shards with a replica each, and a name that leads to some node."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.redis_cluster import RedisCluster, redis_cluster
from tests.support.redis_name import RedisName
from tests.support.redis_server import RedisServer


@dataclass
class Shards:
    """Control a cluster whose name, as a configuration endpoint, leads to a node that is up."""

    cluster: RedisCluster
    name: RedisName

    async def kill(self, primary: RedisServer, replica: RedisServer) -> None:
        """Kill a primary without a save, as if its host were lost; its slots are not served."""
        await primary.kill()
        await self.name.move(replica.port, keep_connections=False)


@contextlib.asynccontextmanager
async def run_shards(folder: Path, port: int) -> AsyncIterator[Shards]:
    """Run a cluster whose name has a port."""
    async with redis_cluster(folder, replicas=True) as cluster:
        name = RedisName(port, cluster.servers[0].port)
        async with name:
            yield Shards(cluster, name)
