"""Measure the latency of commands while a rebuild runs and while none does, in turns.

    make bench-rebuild

The service is a process, and so is the rebuild, throttled by `--max-rru` as an operator would in
working hours. Without a throttle the run measures the local AWS, one thread on the same two cores:
that figure is printed, and not bounded. (A median near 100 ms comes from the local AWS, which looks
for messages that often during a long poll.) Afterwards `verify` compares every view with the log:
no live event may be lost.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import structlog

from benchmarks.bounds import Bound, check_bounds
from chassis.bus.commands import CommandSender
from chassis.bus.outcomes import OutcomeListener, Outcomes
from contracts.messages import Metadata
from contracts.referrals import OpenAccount
from deploy.folders import ROOT
from faststream_sqs import SQSBroker
from redis_batching.connection import connect
from tests.support.stack import Stack, local_aws, local_settings, redis_server

MEMBERS = 2_000
"""Members in the log before the measurement."""
WRITERS = 4
COMMANDS = 240
"""Commands per turn."""
TURNS = 5
MODES = {"no rebuild": None, "throttled": "5", "unthrottled": "0"}
LIMIT = 1.10


class Writers:
    """Send commands from several concurrent writers."""

    def __init__(self, sender: CommandSender, listener: OutcomeListener) -> None:
        self._sender, self._listener = sender, listener

    async def write(self, commands: int) -> list[float]:
        """Return the seconds from sending to outcome of each command."""
        left = iter(range(commands))
        each = await asyncio.gather(*(self._write_in_sequence(left) for _ in range(WRITERS)))
        return [seconds for times in each for seconds in times]

    async def _write_in_sequence(self, left: Iterator[int]) -> list[float]:
        times = []
        for _ in left:
            member = str(uuid.uuid4())
            command = OpenAccount(member_id=member, email=f"{member}@example.com")
            metadata = Metadata(command_id=member, correlation_id=member)
            started = time.perf_counter()
            with self._listener.expect(member) as announced:
                await self._sender.send(command, metadata)
                outcome = await self._listener.wait(member, announced, seconds=60)
            times.append(time.perf_counter() - started)
            if outcome is None or outcome.state != "accepted":
                sys.exit(f"not accepted: {outcome}")
        return times


class Rebuilds:
    """Run `rebuild members` again and again until it is cancelled."""

    def __init__(self, stack: Stack, max_rru: str) -> None:
        self._environment = {**stack.settings.environment(), **stack.environment}
        self._options = ["--max-rru", max_rru] if max_rru != "0" else []
        self.done = 0

    async def run(self) -> None:
        while True:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "referrals", "rebuild", "members", *self._options,
                env=self._environment, cwd=ROOT, stderr=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                process.terminate()
                await process.wait()
                raise
            if code:
                sys.exit(f"a rebuild ended with {code}")
            self.done += 1


async def main() -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as folder:
        settings = local_settings(Path(folder))
        with local_aws(settings), redis_server(settings):
            stack = Stack.deployed(settings)
            try:
                await stack.service("referrals").start().ready()
                return await measure(stack)
            finally:
                stack.stop()


async def measure(stack: Stack) -> int:
    settings = stack.settings
    broker = SQSBroker(
        endpoint_url=settings.aws_url, region_name="eu-west-2",
        aws_access_key_id=stack.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stack.environment["AWS_SECRET_ACCESS_KEY"], logger=None,
    )  # fmt: skip
    await broker.connect()
    redis = connect(settings.redis_url)
    listener = OutcomeListener(redis, Outcomes(redis))
    listening = asyncio.create_task(listener.run())
    writers = Writers(CommandSender(broker, settings.stack), listener)
    await writers.write(MEMBERS)
    times: dict[str, list[float]] = defaultdict(list)
    rebuilt: dict[str, int] = defaultdict(int)
    for _ in range(TURNS):
        for mode, max_rru in MODES.items():
            rebuilds = Rebuilds(stack, max_rru or "")
            task = asyncio.create_task(rebuilds.run()) if max_rru else None
            if task:
                await asyncio.sleep(1.5)  # wait until its interpreter has started
            times[mode] += await writers.write(COMMANDS)
            if task:
                task.cancel()
                await asyncio.wait([task])
            rebuilt[mode] += rebuilds.done
    listening.cancel()
    await redis.aclose()
    await broker.stop()
    return report(times, rebuilt, verified(stack))


def verified(stack: Stack) -> str:
    """Run `verify`, which fails if a view is not the fold of the log; return its last line."""
    environment = {**stack.settings.environment(), **stack.environment}
    done = subprocess.run(
        [sys.executable, "-m", "referrals", "verify", "members"],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"lost: {done.stderr}")
    return done.stderr.strip().splitlines()[-1]


def report(times: dict[str, list[float]], rebuilt: dict[str, int], last_line: str) -> int:
    base = statistics.median(times["no rebuild"])
    print(f"\n{'':<14}{'commands':>9}{'median ms':>11}{'ratio':>7}{'p95 ms':>8}{'rebuilds':>10}")
    for mode, seconds in times.items():
        median, p95 = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
        print(
            f"{mode:<14}{len(seconds):>9}{median * 1e3:>11.1f}{median / base:>7.2f}"
            f"{p95 * 1e3:>8.1f}{rebuilt[mode]:>10}"
        )
    print(f"\n{last_line}")
    ratio = statistics.median(times["throttled"]) / base
    return check_bounds(Bound("median latency, throttled rebuild / none", ratio, most=LIMIT))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
