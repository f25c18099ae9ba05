"""Compare the write path with a bare loop over the same parts: `make bench-writes`.

Ours: `POST /v1/me` of a new person with a new ID token, through the gateway and the referrals
service as two processes, until the 201 has been read. The bare loop (`benchmarks/bare_writes.py`):
a message is sent, received by another process, its stream loaded, the same commit appended and
projected, its outcome received over Redis, the message deleted. Both use the same local AWS and the
same Redis, in the same run, in turns.

Only ours has HTTP on both sides, verifies a signature, takes a limit, validates strictly, decides,
folds twelve read models, announces the event to another queue, writes two lines of log and reads
the view back. The HTTP client is minimal, as its own cost is not measured.

Latency: one writer at a time. While a receive waits, the local AWS looks for messages every 100 ms:
both wait 50 ms at the median, and where in the 100 ms a message arrives is spread evenly for both.
p5 shows those that waited least.
Throughput: 200 writers at a time, every write to a new stream. Both wait mostly for the local AWS,
one thread on the same cores, and it takes longer for each send the more messages a queue has had in
the last five minutes; ours sends two per write. CPU per write is shown by process.

Every ratio is the median of the ratios of the rounds; that of the latency compares the medians of
a round. The loop sends each message with a separate call; with `--shared` its sends share calls as
the gateway's do.
"""

import argparse
import asyncio
import contextlib
import itertools
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
from benchmarks.bounds import Bound, check_bounds
from benchmarks.paired import Ratios, turns
from deploy.folders import ROOT
from deploy.local.programs import Program, running
from deploy.local.provision import deploy
from deploy.local.settings import HOST
from gateway.limits.table import LIMIT_OVERRIDES
from tests.gateway.environment import CLIENT, ISSUER, Issuer
from tests.support.keys_endpoint import keys_endpoint
from tests.support.stack import Stack, local_aws, local_settings, redis_server

WRITERS = 200
TURN_SECONDS = 240
"""Time after which a turn ends the benchmark: the bare loop's consumer may have died."""
PERIOD_SECONDS = 0.1
"""Interval at which the local AWS looks for messages."""
LATENCY = "median latency, ours / bare loop"
THROUGHPUT = "throughput, ours / bare loop"
CPU = "CPU of gateway and service / bare loop"
LATENCY_LIMIT, THROUGHPUT_FLOOR, CPU_LIMIT = 1.5, 1.0, 0.7
LATENCY_GOAL, THROUGHPUT_GOAL, CPU_GOAL = 1.1, 1.5, 0.5
"""Decision 52 says why that of the CPU is missed, and by how much the machine moves both."""

Write = Callable[[], Awaitable[None]]


@dataclass
class Candidate:
    """Hold the measurements of the gateway or of the bare loop."""

    name: str
    write: Write
    processes: dict[str, psutil.Process]
    seconds: list[list[float]] = field(default_factory=list)
    """Latencies of one writer, of each round."""
    rates: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)
    """Milliseconds per write under load, by process."""

    def quantile(self, percent: int) -> float:
        seconds = list(itertools.chain(*self.seconds))
        return statistics.quantiles(seconds, n=100)[percent - 1]

    @property
    def medians(self) -> list[float]:
        """Median latency of each round, in seconds."""
        return [statistics.median(seconds) for seconds in self.seconds]

    def cpu_of(self, *processes: str) -> list[float]:
        """Return milliseconds of CPU per write of these processes together, by round."""
        return [sum(row[name] for name in processes) for row in self.cpu]

    def spent(self) -> dict[str, float]:
        return {name: sum(process.cpu_times()[:2]) for name, process in self.processes.items()}


class Client:
    """Send HTTP requests over one keep-alive connection."""

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
class AccountOpener:
    """Open accounts of new people at the gateway, over reused connections."""

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
            deploy(settings.aws_url, STACK, settings.gateway_url)
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
    parser.add_argument(
        "--shared", action="store_true", help="let the sends of the bare loop share calls"
    )
    parser.add_argument(
        "--aws-client", default="aws_json", help="the services' setting AWS_CLIENT: or aiobotocore"
    )
    return parser.parse_args()


async def measure(stack: Stack, arguments: argparse.Namespace) -> int:
    issuer = Issuer()
    issuer.rotate("key-1")
    people = WRITERS + arguments.rounds * (arguments.single + arguments.load)
    url = stack.settings.redis_url
    raise_limits(url)
    async with contextlib.AsyncExitStack() as opened:
        keys = await opened.enter_async_context(keys_endpoint(issuer))
        await start_ours(stack, keys.url, arguments.aws_client)
        consumer = opened.enter_context(bare_consumer(stack))
        sender = await opened.enter_async_context(bare_sender(url, shared=arguments.shared))
        opener = AccountOpener(stack.service("gateway").port, open_requests(issuer, people))
        opened.callback(opener.close)
        candidates = (
            Candidate("ours", opener.write, shared_processes() | service_processes(stack)),
            Candidate(
                "bare", lambda: sender.write(str(uuid.uuid4())), shared_processes() | consumer
            ),
        )
        await take_turns(candidates, arguments)
    return report(*candidates)


def raise_limits(url: str) -> None:
    """Raise all limits so that no caller reaches them; they are charged nevertheless."""
    with redis.Redis.from_url(url) as client:
        client.hset(LIMIT_OVERRIDES, mapping={"unverified": "600000/60", "accounts": "600000/60"})


async def start_ours(stack: Stack, jwks: str, aws_client: str) -> None:
    pool = {
        "COGNITO_ISSUER": ISSUER,
        "COGNITO_JWKS_URL": jwks,
        "COGNITO_CLIENT_IDS": CLIENT,
        "AWS_CLIENT": aws_client,
    }
    referrals = stack.service("referrals").start(RECEIVE_WAIT_SECONDS="5", AWS_CLIENT=aws_client)
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


def shared_processes() -> dict[str, psutil.Process]:
    names = {"ministack": "local AWS", "redis-server": "Redis"}
    found = {"client": psutil.Process()}
    for child in psutil.Process().children(recursive=True):
        for word, name in names.items():
            if word in " ".join(child.cmdline()):
                found[name] = child
    return found


def service_processes(stack: Stack) -> dict[str, psutil.Process]:
    services = (stack.service(name) for name in ("gateway", "referrals"))
    return {s.name: psutil.Process(s.process.pid) for s in services if s.process is not None}


def open_requests(issuer: Issuer, people: int) -> Iterator[bytes]:
    """Return requests of new people to open an account; the tokens are signed beforehand."""
    tokens = [issuer.id(str(uuid.uuid4())) for _ in range(people)]
    return (
        f"POST /v1/me HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token}\r\n"
        "Prefer: wait=25\r\nContent-Length: 0\r\n\r\n".encode()
        for token in tokens
    )


async def take_turns(candidates: Sequence[Candidate], arguments: argparse.Namespace) -> None:
    for candidate in candidates:
        await write_concurrently(
            candidate.write, WRITERS
        )  # open connections, load scripts and fill caches
    for number in range(arguments.rounds):
        for candidate in turns(candidates, number):
            await one_writer(candidate, arguments.single)
        for candidate in turns(candidates, number):
            await many_writers(candidate, arguments.load)
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)


async def one_writer(candidate: Candidate, count: int) -> None:
    """Spread the writes evenly over the polling interval of the local AWS."""
    pauses = [PERIOD_SECONDS * (0.5 + number / count) for number in range(count)]
    random.shuffle(pauses)
    candidate.seconds.append([])
    for pause in pauses:
        await asyncio.sleep(pause)
        started = time.perf_counter()
        await candidate.write()
        candidate.seconds[-1].append(time.perf_counter() - started)


async def many_writers(candidate: Candidate, count: int) -> None:
    before, started = candidate.spent(), time.perf_counter()
    await write_concurrently(candidate.write, count)
    candidate.rates.append(count / (time.perf_counter() - started))
    spent = candidate.spent()
    candidate.cpu.append({name: (spent[name] - before[name]) / count * 1000 for name in spent})


async def write_concurrently(write: Write, count: int) -> None:
    left = iter(range(count))

    async def writer() -> None:
        for _ in left:
            await write()

    async with asyncio.timeout(TURN_SECONDS):
        await asyncio.gather(*(writer() for _ in range(WRITERS)))


def report(ours: Candidate, bare: Candidate) -> int:
    """Print the table and the bounds; return the exit code."""
    print(f"\n{'':<6}{'p5 ms':>8}{'p50 ms':>8}{'p95 ms':>8}{'writes/s':>10}")
    for candidate in (ours, bare):
        columns = "".join(f"{1e3 * candidate.quantile(percent):>8.1f}" for percent in (5, 50, 95))
        print(f"{candidate.name:<6}{columns}{statistics.median(candidate.rates):>10.0f}")
    print("\nCPU per write under load, ms")
    for candidate in (ours, bare):
        spent = {
            name: statistics.median(row[name] for row in candidate.cpu)
            for name in candidate.processes
        }
        columns = ", ".join(f"{name} {ms:.2f}" for name, ms in spent.items())
        print(f"{candidate.name:<6}{sum(spent.values()):>8.2f}: {columns}")
    slower = Ratios.of(ours.medians, bare.medians)
    share = Ratios.of(ours.rates, bare.rates)
    # the sender of the bare loop is in the process of the client
    cpu = Ratios.of(ours.cpu_of("gateway", "referrals"), bare.cpu_of("client", "consumer"))
    bounds = (
        Bound(LATENCY, slower.median, most=LATENCY_LIMIT, goal=LATENCY_GOAL),
        Bound(THROUGHPUT, share.median, least=THROUGHPUT_FLOOR, goal=THROUGHPUT_GOAL),
        Bound(CPU, cpu.median, most=CPU_LIMIT, goal=CPU_GOAL),
    )
    print()
    for bound, ratios in zip(bounds, (slower, share, cpu), strict=True):
        print(f"{bound.name}: {ratios}")
    return check_bounds(*bounds)


if __name__ == "__main__":
    sys.exit(main())
