"""Compare the write path with a bare loop over the same parts: `make bench-writes`.

Ours: `POST /v1/me` of a new person with a new ID token, through the gateway and the referrals
service as two processes, until the 201 has been read. The bare loop (`benchmarks/bare_writes.py`):
a message is sent, received by another process, its stream loaded, the same commit appended and
projected, its outcome received over Redis, the message deleted. Both use the same local AWS and the
same Redis, in the same run, in turns.

Only ours has HTTP on both sides, verifies a signature, takes a limit, validates strictly, decides,
folds ten read models, announces the event to another queue, writes two lines of log and reads the
view back. The HTTP client is a bare one, as it is not what is measured.

Latency: one writer at a time. While a receive waits, the local AWS looks for messages every 100 ms:
both wait 50 ms at the median, and where in the 100 ms a message arrives is spread evenly for both.
p5 shows those that hardly waited.
Throughput: 200 writers at a time, every write to a new stream. Both wait mostly for the local AWS,
one thread on the same cores, and it takes longer for each send the more messages a queue has had in
the last five minutes; ours sends two per write. CPU per write shows who spends what; the ratio of
throughputs is the median of the ratios of the rounds. The loop sends each message with a call of
its own; with `--shared` its sends share calls as the gateway's do.
"""

import argparse
import asyncio
import contextlib
import os
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import redis
import uvloop

from benchmarks.bare_writes import STACK, bare_sender
from benchmarks.verdict import Bound, verdict
from deploy.folders import ROOT
from deploy.local.programs import Program
from deploy.local.provision import deploy
from deploy.local.settings import HOST
from gateway.limits.table import LIMIT_OVERRIDES
from tests.gateway.environment import CLIENT, ISSUER, Issuer
from tests.support.keys_endpoint import keys_endpoint
from tests.support.stack import Stack, local_aws, local_settings, redis_server, running

WRITERS = 200
PERIOD_SECONDS = 0.1
"""In which the local AWS looks for messages once."""
LATENCY_LIMIT, THROUGHPUT_FLOOR = 1.5, 0.7

Write = Callable[[], Awaitable[None]]


@dataclass
class Way:
    """One of the two, and what was measured of it."""

    name: str
    write: Write
    parts: dict[str, psutil.Process]
    seconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)
    """Milliseconds per write under load, of each part."""

    def quantile(self, percent: int) -> float:
        return statistics.quantiles(self.seconds, n=100)[percent - 1]

    def spent(self) -> dict[str, float]:
        return {name: sum(part.cpu_times()[:2]) for name, part in self.parts.items()}


class Client:
    """Just enough HTTP for one connection that is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def post(self, request: bytes) -> None:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        assert head.startswith(b"HTTP/1.1 201"), (head + body).decode()

    def close(self) -> None:
        self._writer.close()


@dataclass
class Door:
    """The gateway's port, and people who have not knocked yet."""

    port: int
    requests: Iterator[bytes]
    _idle: list[Client] = field(default_factory=list)

    async def write(self) -> None:
        client = self._idle.pop() if self._idle else await self._connect()
        await client.post(next(self.requests))
        self._idle.append(client)

    async def _connect(self) -> Client:
        return Client(*await asyncio.open_connection(HOST, self.port))

    def close(self) -> None:
        for client in self._idle:
            client.close()


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        settings = local_settings(Path(folder))
        with local_aws(settings), redis_server(settings):
            deploy(settings.aws_url, STACK)
            stack = Stack.deployed(settings)
            os.environ |= stack.environment
            try:
                return uvloop.run(measure(stack, arguments))
            finally:
                stack.stop()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--single", type=int, default=20, help="writes of one writer, per round")
    parser.add_argument("--load", type=int, default=600, help="writes of 200 writers, per round")
    parser.add_argument("--shared", action="store_true", help="the loop's sends share calls, too")
    return parser.parse_args()


async def measure(stack: Stack, arguments: argparse.Namespace) -> int:
    issuer = Issuer()
    issuer.rotate("key-1")
    people = WRITERS + arguments.rounds * (arguments.single + arguments.load)
    url = stack.settings.redis_url
    raise_limits(url)
    async with contextlib.AsyncExitStack() as opened:
        keys = await opened.enter_async_context(keys_endpoint(issuer))
        await start_ours(stack, keys.url)
        consumer = opened.enter_context(bare_consumer(stack))
        sender = await opened.enter_async_context(bare_sender(url, shared=arguments.shared))
        door = Door(stack.service("gateway").port, knocks(issuer, people))
        opened.callback(door.close)
        ways = (
            Way("ours", door.write, shared_parts() | own_parts(stack)),
            Way("bare", lambda: sender.write(str(uuid.uuid4())), shared_parts() | consumer),
        )
        await take_turns(ways, arguments)
    return report(*ways)


def raise_limits(url: str) -> None:
    """Raise all limits out of reach; they are taken nevertheless."""
    with redis.Redis.from_url(url) as client:
        client.hset(LIMIT_OVERRIDES, mapping={"unverified": "600000/60", "accounts": "600000/60"})


async def start_ours(stack: Stack, jwks: str) -> None:
    pool = {
        "COGNITO_ISSUER": ISSUER,
        "COGNITO_JWKS_URL": jwks,
        "COGNITO_CLIENT_IDS": CLIENT,
    }
    referrals = stack.service("referrals").start(RECEIVE_WAIT_SECONDS="5")
    gateway = stack.service("gateway").start(**pool)
    await referrals.ready()
    await gateway.ready()


@contextlib.contextmanager
def bare_consumer(stack: Stack) -> Iterator[dict[str, psutil.Process]]:
    environment = {
        **os.environ,
        **stack.environment,
        "PYTHONPATH": f"{ROOT / 'services'}:{ROOT / 'libs'}:{ROOT}",
    }
    program = Program([sys.executable, str(ROOT / "benchmarks" / "bare_writes.py")], environment)
    with running(program) as process:
        yield {"consumer": psutil.Process(process.pid)}


def shared_parts() -> dict[str, psutil.Process]:
    names = {"ministack": "local AWS", "redis-server": "Redis"}
    found = {"client": psutil.Process()}
    for child in psutil.Process().children(recursive=True):
        for word, name in names.items():
            if word in " ".join(child.cmdline()):
                found[name] = child
    return found


def own_parts(stack: Stack) -> dict[str, psutil.Process]:
    services = (stack.service(name) for name in ("gateway", "referrals"))
    return {s.name: psutil.Process(s.process.pid) for s in services if s.process is not None}


def knocks(issuer: Issuer, people: int) -> Iterator[bytes]:
    """Requests of people who open their accounts; their tokens are made beforehand."""
    tokens = [issuer.id(str(uuid.uuid4())) for _ in range(people)]
    return (
        f"POST /v1/me HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token}\r\n"
        "Prefer: wait=25\r\nContent-Length: 0\r\n\r\n".encode()
        for token in tokens
    )


async def take_turns(ways: Sequence[Way], arguments: argparse.Namespace) -> None:
    for way in ways:
        await together(way.write, WRITERS)  # connections, scripts and caches are there now
    for number in range(arguments.rounds):
        for way in random.sample(ways, len(ways)):
            await one_writer(way, arguments.single)
        for way in random.sample(ways, len(ways)):
            await many_writers(way, arguments.load)
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)


async def one_writer(way: Way, count: int) -> None:
    """Each write comes at another place between two looks of the local AWS."""
    pauses = [PERIOD_SECONDS * (0.5 + number / count) for number in range(count)]
    random.shuffle(pauses)
    for pause in pauses:
        await asyncio.sleep(pause)
        started = time.perf_counter()
        await way.write()
        way.seconds.append(time.perf_counter() - started)


async def many_writers(way: Way, count: int) -> None:
    before, started = way.spent(), time.perf_counter()
    await together(way.write, count)
    way.rates.append(count / (time.perf_counter() - started))
    spent = way.spent()
    way.cpu.append({name: (spent[name] - before[name]) / count * 1000 for name in spent})


async def together(write: Write, count: int) -> None:
    left = iter(range(count))

    async def writer() -> None:
        for _ in left:
            await write()

    await asyncio.gather(*(writer() for _ in range(WRITERS)))


def report(ours: Way, bare: Way) -> int:
    """Print the table and the bounds; return the exit code."""
    print(f"\n{'':<6}{'p5 ms':>8}{'p50 ms':>8}{'p95 ms':>8}{'writes/s':>10}")
    for way in (ours, bare):
        columns = "".join(f"{1e3 * way.quantile(percent):>8.1f}" for percent in (5, 50, 95))
        print(f"{way.name:<6}{columns}{statistics.median(way.rates):>10.0f}")
    print("\nCPU per write under load, ms")
    for way in (ours, bare):
        spent = {name: statistics.median(row[name] for row in way.cpu) for name in way.parts}
        columns = ", ".join(f"{name} {ms:.2f}" for name, ms in spent.items())
        print(f"{way.name:<6}{sum(spent.values()):>8.2f}: {columns}")
    slower = ours.quantile(50) / bare.quantile(50)
    pairs = zip(ours.rates, bare.rates, strict=True)
    share = statistics.median(mine / theirs for mine, theirs in pairs)
    return verdict(
        Bound("median latency, ours / bare loop", slower, most=LATENCY_LIMIT),
        Bound("throughput, ours / bare loop", share, least=THROUGHPUT_FLOOR),
    )


if __name__ == "__main__":
    sys.exit(main())
