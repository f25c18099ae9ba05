"""Plain HTTP clients under which something is broken; every request is counted as what it became.

No HTTP library: libraries repeat failed requests silently.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from deploy.local.settings import HOST
from tests.support.eventually import eventually

PAUSE_SECONDS = 0.004
ANSWER_SECONDS = 20

REFUSED = "connection refused"
BROKEN = "broken off"
CLOSED_IDLE = "kept connection closed before the first byte"
"""Any client and any balancer repeats that by itself; it is counted all the same."""
NO_ANSWER = "no answer in time"
FAILED = frozenset({REFUSED, BROKEN, CLOSED_IDLE, NO_ANSWER})


@dataclass(frozen=True)
class Request:
    method: str = "GET"
    path: str = "/v1/me"
    token: str | None = None
    body: bytes = b""

    def raw(self, *, kept: bool) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {HOST}"]
        lines += [f"Authorization: Bearer {self.token}"] if self.token else []
        if self.method == "POST":
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        lines += [] if kept else ["Connection: close"]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass
class Line:
    """One connection, and whether it may be used again."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used: bool = False
    over: bool = False

    async def ask(self, raw: bytes) -> str:
        """The status of the answer, or one of the words above."""
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
        self.over = fields.get("connection", "").lower() == "close"
        return head[9:12].decode()


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


@dataclass
class Callers:
    """Send requests until stopped."""

    port: Callable[[], int]
    """Where the next connection goes: a balancer's choice."""
    requests: Callable[[], Request]
    pause: float = PAUSE_SECONDS
    """Between an answer and the next request of the same client."""
    kept: Counter[str] = field(default_factory=Counter)
    """What became of requests on connections that are kept."""
    fresh: Counter[str] = field(default_factory=Counter)
    """… on connections of their own."""
    longest: float = 0.0
    """Seconds."""
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, each: int) -> "Callers":
        for call in [self._keep] * each + [self._renew] * each:
            self._tasks.append(asyncio.create_task(call()))
        return self

    async def stop(self) -> None:
        self.stopped.set()
        await asyncio.gather(*self._tasks)

    @property
    def seen(self) -> Counter[str]:
        return self.kept + self.fresh

    @property
    def failed(self) -> Counter[str]:
        return Counter({word: n for word, n in self.seen.items() if word in FAILED})

    async def answered(self, more: int) -> None:
        """Wait until so many further requests have got an answer."""
        target = self.seen.total() - self.failed.total() + more

        async def answered() -> bool:
            return self.seen.total() - self.failed.total() >= target

        await eventually(answered, seconds=60)

    async def _keep(self) -> None:
        line: Line | None = None
        while not self.stopped.is_set():
            if line is None or line.over or line.reader.at_eof():
                _hang_up(line)
                line = await self._connect(self.kept)
            if line is not None:
                word = await self._timed(line.ask(self.requests().raw(kept=True)))
                self.kept[word] += 1
                line.over = line.over or word in FAILED
            await asyncio.sleep(self.pause)  # a client's, no wait for anything
        _hang_up(line)

    async def _renew(self) -> None:
        while not self.stopped.is_set():
            if (line := await self._connect(self.fresh)) is not None:
                word = await self._timed(line.ask(self.requests().raw(kept=False)))
                self.fresh[word] += 1
                _hang_up(line)
            await asyncio.sleep(self.pause)  # a client's, no wait for anything

    async def _connect(self, counts: Counter[str]) -> Line | None:
        try:
            return Line(*await asyncio.open_connection(HOST, self.port()))
        except OSError:
            counts[REFUSED] += 1
            return None

    async def _timed(self, asked: Awaitable[str]) -> str:
        begun = time.monotonic()
        try:
            return await asyncio.wait_for(asked, ANSWER_SECONDS)
        except TimeoutError:
            return NO_ANSWER
        finally:
            self.longest = max(self.longest, time.monotonic() - begun)


def _hang_up(line: Line | None) -> None:
    if line is not None:
        line.writer.close()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print what was counted."""
    texts = [[str(cell) for cell in row] for row in [list(columns), *rows]]
    widths = [max(len(row[i]) for row in texts) for i in range(len(columns))]
    print(f"\n{title}")  # noqa: T201  `make chaos-gateway` is read
    for row in texts:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  " + "  ".join(cells).rstrip(), flush=True)  # noqa: T201


def counted_as_text(counts: Counter[str]) -> str:
    return ", ".join(f"{n:,} {word}" for word, n in sorted(counts.items())) or "-"
