"""Forward TCP connections to a server that can be changed: a name that moves after a failover."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from deploy.local.settings import HOST


@dataclass
class TcpForwarder:
    """Connect each new client to `target`; connections that exist stay where they are."""

    target: int
    """Port of the server."""
    port: int = 0
    opened: int = 0
    """Connections that clients have opened."""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def cut(self) -> None:
        """Close all connections at once."""
        for writer in self._writers:
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            there_reader, there = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, there}
        for source, sink in ((reader, there), (there_reader, writer)):
            task = asyncio.create_task(_copy(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


@contextlib.asynccontextmanager
async def forwarding(target: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[TcpForwarder]:
    """Listen on a free port, with TLS if a context is given."""
    forwarder = TcpForwarder(target)
    server = await asyncio.start_server(forwarder.serve, HOST, 0, ssl=tls)
    forwarder.port = server.sockets[0].getsockname()[1]
    try:
        yield forwarder
    finally:
        server.close()
        await forwarder.cut()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()
