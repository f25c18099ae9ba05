"""Stand in front of a Redis and refuse chosen commands, as a full or demoted one does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.ports import unused_ports
from deploy.local.settings import HOST
from tests.support.redis_cluster import RedisCluster, redis_cluster
from tests.support.redis_server import RedisServer

REFUSALS = (
    "OOM command not allowed when used memory > 'maxmemory'.",
    "MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist.",
    "READONLY You can't write against a read only replica.",
    "ERR Error running script (call to f_0): @user_script:1: -READONLY You can't write.",
    "NOREPLICAS Not enough good replicas to write.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "CLUSTERDOWN The cluster is down",
    "NOPERM this user has no permissions to run this command",
    "NOAUTH Authentication required.",
    "LOADING Redis is loading the dataset in memory",
    "BUSY Redis is busy running a script.",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "UNBLOCKED force unblock from blocking operation, instance state changed",
)
"""Errors that a Redis gives for a passing reason."""
WRITES = frozenset({"SET", "EVALSHA", "EVAL", "HSET", "DEL", "PEXPIRE", "EXPIRE", "INCR"})
ACCEPT_TICKS = 5
"""A connection that was accepted is forwarded after fewer ticks of asyncio's event loop."""
READS = frozenset({"GET", "HMGET", "HGETALL", "HGET", "ZRANGE", "ZREVRANGE", "SUBSCRIBE"})


@dataclass
class RefusingRedis:
    """Forward connections to a Redis on a socket file, except for refused commands."""

    upstream: str
    """Path of the socket file."""
    path: str
    """Path of the socket file that clients connect to."""
    refused: dict[str, str] = field(default_factory=dict)
    """Name of a command -> the error that it is answered with."""
    refusals: int = 0
    """Number of commands that were refused."""
    client_name: str = ""
    """Refuse only commands of the clients of this name; empty: of all clients."""
    _forwarding: set[asyncio.Task[Any]] = field(default_factory=set)
    """A task for each open connection."""

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def refuse(self, error: str, names: frozenset[str] = WRITES) -> None:
        self.refused = dict.fromkeys(names, error)

    def accept(self) -> None:
        self.refused = {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["RefusingRedis"]:
        server = await asyncio.start_unix_server(self._serve, self.path)
        try:
            yield self
        finally:
            await self._stop(server)

    async def _stop(self, *servers: asyncio.Server) -> None:
        """Listen no more, and close what clients have left open: no task outlives the loop."""
        loop = asyncio.get_running_loop()
        for listener in (each for server in servers for each in server.sockets):
            loop.remove_reader(listener)
        for _ in range(ACCEPT_TICKS):  # a server that is closed meanwhile leaks the connection
            await asyncio.sleep(0)
        for server in servers:
            server.close()
        for task in self._forwarding:
            task.cancel()
        await asyncio.gather(*self._forwarding, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        await self._forward(client, answers, self.upstream)

    async def _forward(
        self, client: asyncio.StreamReader, answers: asyncio.StreamWriter, upstream: str
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._forwarding.add(task)
        task.add_done_callback(self._forwarding.discard)
        async with contextlib.AsyncExitStack() as opened:
            opened.callback(answers.close)  # also if the upstream is never reached
            redis, commands = await asyncio.open_unix_connection(upstream)
            opened.callback(commands.close)
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._exchange(client, answers, redis, commands)

    async def _exchange(
        self,
        client: asyncio.StreamReader,
        answers: asyncio.StreamWriter,
        redis: asyncio.StreamReader,
        commands: asyncio.StreamWriter,
    ) -> None:
        is_refused = not self.client_name
        while True:
            command = await read_reply(client)
            words = command.split(b"\r\n")[2::2]
            name = words[0].decode().upper()
            if words[1:] == [b"SETNAME", self.client_name.encode()]:
                is_refused = True
            if is_refused and (error := self.refused.get(name)) is not None:
                self.refusals += 1
                answers.write(f"-{error}\r\n".encode())
                continue
            commands.write(command)
            if name == "SUBSCRIBE":
                await _copy_both_ways(client, answers, redis, commands)
                return
            answers.write(await read_reply(redis))


@dataclass
class RefusingCluster(RefusingRedis):
    """Stand in front of every node of a cluster, which announces the ports of these proxies.

    All clients go through them, so they refuse the clients of one name only.
    """

    cluster: RedisCluster = field(default_factory=lambda: RedisCluster(Path()))

    @property
    def url(self) -> str:
        return f"{self.cluster.url}?client_name={self.client_name}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["RefusingCluster"]:
        nodes = zip(self.cluster.announced, self.cluster.servers, strict=True)
        servers = [
            await asyncio.start_server(self._serving(node), HOST, port) for port, node in nodes
        ]
        try:
            yield self
        finally:
            await self._stop(*servers)

    def _serving(self, node: RedisServer) -> Any:
        async def serve(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
            await self._forward(client, answers, f"{node.folder}/redis.sock")

        return serve


@contextlib.asynccontextmanager
async def refusing_cluster(folder: Path) -> AsyncIterator[RefusingCluster]:
    """Run a cluster behind proxies that refuse commands of the clients named `refused`."""
    async with redis_cluster(folder, announced=unused_ports(3)) as cluster:
        proxies = RefusingCluster("", "", client_name="refused", cluster=cluster)
        async with proxies.running():
            yield proxies


async def _copy_both_ways(
    client: asyncio.StreamReader,
    answers: asyncio.StreamWriter,
    redis: asyncio.StreamReader,
    commands: asyncio.StreamWriter,
) -> None:
    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            target.write(data)
        raise ConnectionError("closed")

    with contextlib.suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(copy(client, commands))
            group.create_task(copy(redis, answers))


async def read_reply(source: asyncio.StreamReader) -> bytes:
    """Return the bytes of one complete RESP value."""
    line = await source.readuntil(b"\r\n")
    kind, rest = line[:1], line[1:-2]
    if kind in b"$=!" and rest != b"-1":
        return line + await source.readexactly(int(rest) + 2)
    if kind in b"*~>%" and rest != b"-1":
        items = int(rest) * (2 if kind == b"%" else 1)
        return line + b"".join([await read_reply(source) for _ in range(items)])
    return line
