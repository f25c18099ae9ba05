"""Forward connections to a Redis, as a name that can move to another node; answer with errors.

It does what a DNS entry or a proxy does in operation: connections that are open stay where they
are when it moves.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import hiredis

from deploy.local.settings import HOST

CHUNK = 65_536
BACKLOG = 1_024
Refuse = Callable[[list[bytes]], str | None]
"""Return the error for a command (`OOM …`), or None to execute it."""
SUBSCRIBES = {b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE", b"MONITOR"}


@dataclass
class RedisName:
    """Listen on `port` and forward each connection to the node that the name means."""

    port: int
    target: int
    """Port of the node."""
    frozen: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: what the nodes send is held back."""
    refuse: Refuse | None = None
    refused: Counter[str] = field(default_factory=Counter)
    """Error -> number of commands that got it."""
    opened: int = 0
    """Connections that clients have opened."""
    _listener: socket.socket | None = None
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self, tls: ssl.SSLContext | None = None) -> "RedisName":
        """Listen, with TLS if a context is given; on a free port if `port` is 0."""
        self.frozen.set()
        self._listener = socket.create_server((HOST, self.port), backlog=BACKLOG)
        self._listener.settimeout(0)
        self.port = self._listener.getsockname()[1]
        accept = partial(self._accept, self._listener, tls)
        asyncio.get_running_loop().add_reader(self._listener, accept)
        return self

    async def close(self) -> None:
        """Stop listening: connections are refused."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        await self.disconnect()

    async def __aenter__(self) -> Self:
        if self._listener is None:
            await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def move(self, target: int, *, keep_connections: bool) -> None:
        """Let new connections go to another node."""
        self.target = target
        if not keep_connections:
            await self.disconnect()

    async def disconnect(self) -> None:
        """Break every connection; what was held back is lost."""
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def refusing(self, refuse: Refuse) -> AsyncIterator[None]:
        """Answer commands with errors while the context is entered; connections outlive its end."""
        self.refused.clear()
        self.refuse = refuse
        await self.disconnect()  # a connection that is open may be inside a reply
        try:
            yield
        finally:
            self.refuse = None

    def _accept(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Accept a connection at once: one that is awaited is leaked if the wait is cancelled."""
        try:
            accepted, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # the client has gone
        accepted.settimeout(0)
        self.opened += 1
        task = asyncio.create_task(self._serve(accepted, tls))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        # a task that is cancelled before its first step runs none of its own cleanup
        task.add_done_callback(partial(_close, accepted))

    async def _serve(self, accepted: socket.socket, tls: ssl.SSLContext | None) -> None:
        writers: list[asyncio.StreamWriter] = []
        try:
            reader, writer = await _streams(accepted, tls)
            writers.append(writer)
            answers, upstream = await asyncio.open_connection(HOST, self.target)
            writers.append(upstream)
            if self.refuse is not None:
                await self._by_command(reader, writer, answers, upstream)
            else:
                await _both(_pump(reader, upstream), self._pump_back(answers, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # one end has closed: so does the other
        finally:
            for each in writers:
                each.transport.abort()

    async def _pump_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self.frozen.wait()
            writer.write(data)
            await writer.drain()

    async def _by_command(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
    ) -> None:
        """Forward one command after the other, unless it is refused."""
        commands = CommandParser()
        while data := await reader.read(CHUNK):
            for command, raw in commands.feed(data):
                error = None if self.refuse is None else self.refuse(command)
                if error is not None:
                    self.refused[error.partition(" ")[0]] += 1
                    writer.write(f"-{error}\r\n".encode())
                    continue
                upstream.write(raw)
                if command[0].upper() in SUBSCRIBES:
                    await _both(_pump(reader, upstream), _pump(answers, writer))
                    return
                await _one_reply(answers, writer)
            await writer.drain()


class CommandParser:
    """Cut a stream of bytes into commands: arrays of bulk strings, as clients send them."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[tuple[list[bytes], bytes]]:
        """Return the complete commands and their bytes."""
        self._buffer += data
        found = []
        while (parsed := self._next()) is not None:
            command, end = parsed
            found.append((command, self._buffer[:end]))
            self._buffer = self._buffer[end:]
        return found

    def _next(self) -> tuple[list[bytes], int] | None:
        line = self._line(0)
        if line is None:
            return None
        count, position = line
        words = []
        for _ in range(count):
            line = self._line(position)
            if line is None:
                return None
            length, start = line
            position = start + length + 2
            if len(self._buffer) < position:
                return None
            words.append(self._buffer[start : start + length])
        return words, position

    def _line(self, start: int) -> tuple[int, int] | None:
        """Return the number in the line at `start`, and where the next line starts."""
        end = self._buffer.find(b"\r\n", start)
        return None if end < 0 else (int(self._buffer[start + 1 : end]), end + 2)


def _close(accepted: socket.socket, _task: "asyncio.Task[None]") -> None:
    accepted.close()


async def _streams(
    accepted: socket.socket, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return the streams of an accepted connection, once its TLS handshake is done."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, accepted, ssl=tls)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _one_reply(answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    parser: Any = hiredis.Reader()
    while True:
        data = await answers.read(CHUNK)
        if not data:
            raise ConnectionError
        writer.write(data)
        parser.feed(data)
        if parser.gets(False) is not False:  # noqa: FBT003  no complete reply yet
            return


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()


async def _both(*pumps: Any) -> None:
    """Run both directions until one of them ends."""
    tasks = [asyncio.ensure_future(pump) for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
