"""Run a Redis cluster: three shards by default, with a replica each if a test fails over."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from deploy.local import ports
from deploy.local.settings import HOST
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer

SLOTS: Final = 16_384
BUS_OFFSET: Final = 10_000
"""The nodes of a cluster talk to each other on their port plus this number."""
AGREEMENT_SECONDS: Final = 60
"""Time for all nodes to learn of a failover from each other."""


@dataclass
class RedisCluster:
    """Control the servers of a cluster; those of the first shards are its primaries at first."""

    folder: Path
    shards: int = 3
    replicas: bool = False
    node_timeout: int = 2_000
    """Milliseconds after which a silent node is considered failed."""
    announced: Sequence[int] = ()
    """Ports that clients are given instead of those of the servers: proxies listen on them."""
    servers: list[RedisServer] = field(default_factory=list)

    @property
    def url(self) -> str:
        """URL of the first node; clients find the others."""
        return f"redis://{HOST}:{self.announced[0]}/0" if self.announced else self.servers[0].url

    async def start(self) -> None:
        """Start the cluster, or its servers again; wait until all know the same topology."""
        if not self.servers:
            await self._create()
        for server in self.servers:
            if not server.running:
                await server.start()
        await eventually(self._agreed, seconds=AGREEMENT_SECONDS)

    async def kill(self) -> None:
        for server in self.servers:
            await server.kill()

    def suspend(self) -> None:
        """Let all servers accept connections and commands without answering."""
        for server in self.servers:
            server.suspend()

    def resume(self) -> None:
        for server in self.servers:
            server.resume()

    async def primaries(self) -> list[RedisServer]:
        """Return the present primaries, in the order of the servers."""
        present = {row[2][1] for row in await self._slots(self._alive())}
        return [server for server in self.servers if self._announced(server) in present]

    async def primary_of(self, key: str) -> RedisServer:
        """Return the server that holds a key; a replica may not know yet that a slot has moved."""
        server = (await self.primaries())[0]
        slot = await self._on(server, "CLUSTER", "KEYSLOT", key)
        for first, last, primary, *_ in await self._slots(server):
            if first <= slot <= last:
                return self._at(primary[1])
        raise AssertionError(key)

    async def primary(self, shard: int) -> RedisServer:
        """Return the present primary of a shard; the number wraps around."""
        rows = sorted(await self._slots(self._alive()))
        first = SLOTS * (shard % self.shards) // self.shards
        return next(self._at(row[2][1]) for row in rows if row[0] <= first <= row[1])

    async def replica_of(self, server: RedisServer) -> RedisServer:
        """Return the replica of a primary, as soon as it has one that is up to date."""

        async def replica() -> RedisServer | None:
            for _, _, primary, *replicas in await self._slots(self._alive()):
                if primary[1] == server.port and replicas:
                    found = self._at(replicas[0][1])
                    return found if await self._complete(found) else None
            return None

        found = await eventually(replica)
        assert found is not None
        return found

    async def promote(self, replica: RedisServer, *how: str) -> None:
        """Make a replica the primary of its shard; `TAKEOVER` does not ask the others."""
        await replica.run("CLUSTER", "FAILOVER", *how)
        await self.promoted(replica)

    async def promoted(self, replica: RedisServer) -> None:
        """Wait until a replica is the primary of its shard."""

        async def promoted() -> bool:
            primaries = [row[2][1] for row in await self._slots(replica)]
            return replica.port in primaries

        await eventually(promoted)

    async def fall_behind(self, replica: RedisServer) -> None:
        """Let a replica fall behind from now on: its primary refuses its password."""
        await replica.configure(masterauth="wrong")
        await replica.run("CLIENT", "KILL", "TYPE", "master")

    async def stop_falling_behind(self, replica: RedisServer) -> None:
        """Undo `fall_behind`."""
        await replica.configure(masterauth="")

    async def move_slot(self, key: str, to: RedisServer) -> None:
        """Give the slot of a key, without its data, to another primary."""
        owner = await self.primary_of(key)
        slot, new = await self._on(owner, "CLUSTER", "KEYSLOT", key), await self._id(to)
        # a node that imports a slot gets a new epoch, without which replicas ignore the move
        await self._on(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", await self._id(owner))
        for server in (to, *(each for each in await self.primaries() if each is not to)):
            await self._on(server, "CLUSTER", "SETSLOT", slot, "NODE", new)

    async def begin_to_move_slot(self, key: str, to: RedisServer) -> None:
        """Let the owner answer ASK for keys of the slot that it does not hold."""
        owner = await self.primary_of(key)
        slot = await self._on(owner, "CLUSTER", "KEYSLOT", key)
        await self._on(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", await self._id(owner))
        await self._on(owner, "CLUSTER", "SETSLOT", slot, "MIGRATING", await self._id(to))

    async def settle_slot(self, key: str) -> None:
        """Undo `begin_to_move_slot`."""
        slot = await self._on(self._alive(), "CLUSTER", "KEYSLOT", key)
        for server in await self.primaries():
            await self._on(server, "CLUSTER", "SETSLOT", slot, "STABLE")

    async def _create(self) -> None:
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(self.node_timeout)]
        for number, port in enumerate(_ports(self.shards * (2 if self.replicas else 1))):
            announced = self.announced[number] if self.announced else port
            ports = ["--cluster-announce-port", str(announced)]
            ports += ["--cluster-announce-bus-port", str(port + BUS_OFFSET)]
            self.servers.append(RedisServer(self.folder / str(port), port, (*options, *ports)))
            await self.servers[-1].start()
        await self._assign_slots()
        for server in self.servers[1:]:
            await self._on(self.servers[0], "CLUSTER", "MEET", HOST, server.port)
        await self._attach_replicas()

    async def _assign_slots(self) -> None:
        for number, server in enumerate(self.servers[: self.shards]):
            first, last = (SLOTS * part // self.shards for part in (number, number + 1))
            await self._on(server, "CLUSTER", "ADDSLOTS", *range(first, last))
            await self._on(server, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)

    async def _attach_replicas(self) -> None:
        primaries, replicas = self.servers[: self.shards], self.servers[self.shards :]
        for primary, replica in zip(primaries, replicas, strict=False):
            name = await self._id(primary)

            async def attached(replica: RedisServer = replica, name: str = name) -> bool:
                with contextlib.suppress(RedisError):  # it has not met its primary yet
                    await self._on(replica, "CLUSTER", "REPLICATE", name)
                    return True
                return False

            await eventually(attached)

    async def _complete(self, server: RedisServer) -> bool:
        async with Redis.from_url(server.url) as redis:
            connection: Any = redis
            state = await connection.execute_command("CLUSTER INFO")
            rows = await self._slots(server)
            linked = (await redis.info("replication")).get("master_link_status", "up")
        nodes = {node[1] for _, _, *nodes in rows for node in nodes}
        healthy = state["cluster_state"] == "ok" and linked == "up"
        return healthy and len(nodes) == len([s for s in self.servers if s.running])

    async def _agreed(self) -> bool:
        """Return whether every server is up to date and knows the same primary of each slot."""
        complete = [await self._complete(server) for server in self.servers]
        known = {await self._owners(server) for server in self.servers}
        return all(complete) and len(known) == 1

    async def _owners(self, server: RedisServer) -> tuple[tuple[int, int, int], ...]:
        """Return what a server knows: first slot, last slot and port of the primary of each."""
        rows = await self._slots(server)
        return tuple(sorted((first, last, primary[1]) for first, last, primary, *_ in rows))

    async def _slots(self, server: RedisServer) -> list[Any]:
        rows: list[Any] = await self._on(server, "CLUSTER", "SLOTS")
        return rows

    async def _id(self, server: RedisServer) -> str:
        name: bytes = await self._on(server, "CLUSTER", "MYID")
        return name.decode()

    async def _on(self, server: RedisServer, *command: Any) -> Any:
        async with Redis.from_url(server.url) as redis:
            pipe: Any = redis.pipeline(transaction=False)
            (reply,) = await pipe.execute_command(*command).execute()
            return reply

    def _alive(self) -> RedisServer:
        return next(server for server in self.servers if server.running)

    def _at(self, port: int) -> RedisServer:
        return next(server for server in self.servers if self._announced(server) == port)

    def _announced(self, server: RedisServer) -> int:
        return self.announced[self.servers.index(server)] if self.announced else server.port


@contextlib.asynccontextmanager
async def redis_cluster(folder: Path, **options: Any) -> AsyncIterator[RedisCluster]:
    """Run a cluster for the duration of the context."""
    cluster = RedisCluster(folder, **options)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.kill()


def _ports(count: int) -> list[int]:
    """Return ports of nodes; an outgoing connection could take the second port of some others."""
    among = [port for port in ports.BELOW_OUTGOING if port + BUS_OFFSET < ports.OUTGOING]
    found: list[int] = []
    while len(found) < count:
        (port,) = ports.unused_ports(1, among)
        if ports.is_free(port + BUS_OFFSET):
            found.append(port)
    return found
