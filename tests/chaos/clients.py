"""Send HTTP requests while parts of the system fail, and count the result of each request.

Use plain sockets: an HTTP library would repeat failed requests and so hide them.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from deploy.local.settings import HOST
from tests.support.eventually import eventually

PAUSE_SECONDS = 0.004
TIMEOUT_SECONDS = 60

REFUSED = "connection refused"
BROKEN = "connection broken"
CLOSED_IDLE = "keep-alive connection closed before the first byte"
"""Clients and balancers repeat such a request by themselves; it is counted nevertheless."""
TIMED_OUT = "timed out"
FAILED = frozenset({REFUSED, BROKEN, CLOSED_IDLE, TIMED_OUT})


@dataclass(frozen=True)
class Request:
    """Describe a request; by default it reads the account of the token's owner."""

    method: str = "GET"
    path: str = "/v1/me"
    token: str | None = None
    body: bytes = b""

    def raw(self, *, keep_alive: bool) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {HOST}"]
        lines += [f"Authorization: Bearer {self.token}"] if self.token else []
        if self.method == "POST":
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        lines += [] if keep_alive else ["Connection: close"]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass
class Connection:
    """Hold a connection, and whether it may be used again."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used: bool = False
    closing: bool = False

    async def send(self, raw: bytes) -> str:
        """Return the status of the response, or one of the failures above."""
        try:
            self.writer.write(raw)
            head = await self.reader.readuntil(b"\r\n\r\n")
            fields = dict(_field(line) for line in head.decode("latin-1").split("\r\n")[1:-2])
            await self.reader.readexactly(int(fields.get("content-length", 0)))
        except asyncio.IncompleteReadError as error:
            return CLOSED_IDLE if self.used and not error.partial else BROKEN
        except ConnectionError:
            return CLOSED_IDLE if self.used else BROKEN
        self.used = True
        self.closing = fields.get("connection", "").lower() == "close"
        return head[9:12].decode()


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


@dataclass
class Clients:
    """Run clients that send requests until they are stopped."""

    port: Callable[[], int]
    """Return the port for the next connection, as a balancer would choose it."""
    requests: Callable[[], Request]
    pause: float = PAUSE_SECONDS
    """Seconds between a response and the next request of the same client."""
    keep_alive: Counter[str] = field(default_factory=Counter)
    """Results of requests on keep-alive connections."""
    fresh: Counter[str] = field(default_factory=Counter)
    """Results of requests that each used a new connection."""
    longest: float = 0.0
    """Longest time in seconds that a request took."""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, each: int) -> "Clients":
        for call in [self._reuse_connection] * each + [self._connect_each_time] * each:
            self._tasks.append(asyncio.create_task(call()))
        return self

    async def stop(self) -> None:
        self.stopped.set()
        await asyncio.gather(*self._tasks)

    @property
    def results(self) -> Counter[str]:
        return self.keep_alive + self.fresh

    @property
    def failed(self) -> Counter[str]:
        return Counter({result: n for result, n in self.results.items() if result in FAILED})

    async def answered(self, more: int) -> None:
        """Wait until `more` further requests got a response."""
        target = self.results.total() - self.failed.total() + more

        async def reached() -> bool:
            return self.results.total() - self.failed.total() >= target

        await eventually(reached, seconds=60)

    async def _reuse_connection(self) -> None:
        connection: Connection | None = None
        while not self.stopped.is_set():
            if connection is None or connection.closing or connection.reader.at_eof():
                _close(connection)
                connection = await self._connect(self.keep_alive)
            if connection is not None:
                result = await self._timed(connection.send(self.requests().raw(keep_alive=True)))
                self.keep_alive[result] += 1
                connection.closing = connection.closing or result in FAILED
            await asyncio.sleep(self.pause)  # the client's pause; it waits for no event
        _close(connection)

    async def _connect_each_time(self) -> None:
        while not self.stopped.is_set():
            if (connection := await self._connect(self.fresh)) is not None:
                result = await self._timed(connection.send(self.requests().raw(keep_alive=False)))
                self.fresh[result] += 1
                _close(connection)
            await asyncio.sleep(self.pause)  # the client's pause; it waits for no event

    async def _connect(self, counts: Counter[str]) -> Connection | None:
        try:
            return Connection(*await asyncio.open_connection(HOST, self.port()))
        except OSError:
            counts[REFUSED] += 1
            return None

    async def _timed(self, response: Awaitable[str]) -> str:
        started = time.monotonic()
        try:
            return await asyncio.wait_for(response, TIMEOUT_SECONDS)
        except TimeoutError:
            return TIMED_OUT
        finally:
            self.longest = max(self.longest, time.monotonic() - started)


def _close(connection: Connection | None) -> None:
    if connection is not None:
        connection.writer.close()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table of counts."""
    texts = [[str(cell) for cell in row] for row in [list(columns), *rows]]
    widths = [max(len(row[i]) for row in texts) for i in range(len(columns))]
    print(f"\n{title}")  # noqa: T201  shown by `make chaos-gateway`
    for row in texts:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  " + "  ".join(cells).rstrip(), flush=True)  # noqa: T201


def describe(counts: Counter[str]) -> str:
    return ", ".join(f"{n:,} {result}" for result, n in sorted(counts.items())) or "-"
