"""Compare the memory of each idle service with that of an earlier commit: `make bench-memory`.

All services of a commit are started on an empty local stack, each as `python -m <service> run`, and
read once all are ready and have been idle for a few seconds; then those of the other commit, on the
same stack. RSS is what a process holds in memory, PSS the same with shared pages divided by the
number of processes that share them; the bounds are on RSS. The earlier commit is checked out into a
temporary folder and uses the same installed packages. Bytecode is compiled first, since a process
that compiles its modules holds more.
"""

import argparse
import asyncio
import compileall
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.bounds import Bound, check_bounds
from deploy.folders import ROOT
from deploy.local.bootstrap import answers
from deploy.local.programs import Program, running
from deploy.local.provision import wait_for
from deploy.local.settings import HOST, SERVICES, port_setting
from tests.support.stack import Stack, local_aws, local_settings, redis_server

BASELINE: Final = "dfe329e"
"""The commit before services stopped importing what they do not use."""
MAX_RATIOS: Final = {"compute": 0.72, "invites": 0.85, "referrals": 0.9, "gateway": 0.82}
GOAL: Final = 0.7
"""Decision 53 says why it is missed: importing the libraries alone takes 0.68."""
IDLE_SECONDS: Final = 8
"""Time for the background tasks to make their first round."""
SOURCES: Final = ("chassis", "contracts", "libs", "services")

Memory = dict[str, dict[str, float]]
"""Service -> `Rss` and `Pss` in MB."""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--baseline", default=BASELINE, help="commit to compare with")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, checked_out(arguments.baseline) as earlier:
        settings = local_settings(Path(folder))
        with local_aws(settings), redis_server(settings):
            stack = Stack.deployed(settings)
            before = asyncio.run(measure(stack, earlier))
            now = asyncio.run(measure(stack, ROOT))
    return report(arguments.baseline, before, now)


@contextlib.contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Check out a commit into a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tree"
        git("worktree", "add", "--quiet", "--detach", str(path), commit)
        try:
            yield path
        finally:
            git("worktree", "remove", "--force", str(path))


def git(*arguments: str) -> None:
    subprocess.run(["git", "-C", str(ROOT), *arguments], check=True)  # noqa: S603, S607  our arguments


async def measure(stack: Stack, root: Path) -> Memory:
    """Return the memory of the services in the source tree `root`."""
    for source in SOURCES:
        compileall.compile_dir(root / source, quiet=2)
    with contextlib.ExitStack() as opened:
        pids = {
            name: opened.enter_context(running(program(stack, root, name))).pid for name in SERVICES
        }
        for name in SERVICES:
            url = f"http://{HOST}:{stack.settings.port_of(name)}/readyz"
            wait_for(name, lambda url=url: answers(url))  # type: ignore[misc]
        await asyncio.sleep(IDLE_SECONDS)
        return {name: memory_of(pid) for name, pid in pids.items()}


def program(stack: Stack, root: Path, service: str) -> Program:
    environment = {
        **os.environ,
        **stack.environment,
        "PYTHONPATH": os.pathsep.join(str(root / part) for part in ("services", "libs", "")),
        port_setting(service).upper(): str(stack.settings.port_of(service)),
        "COLUMNS_DIRECTORY": str(stack.settings.state / "columns"),
    }
    # -P: without it, `chassis` and `contracts` would be those of the current folder
    return Program([sys.executable, "-P", "-m", service, "run"], environment)


def memory_of(pid: int) -> dict[str, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    fields = {line.split(":")[0]: line.split()[1] for line in lines[1:]}
    return {name: int(fields[name]) / 1024 for name in ("Rss", "Pss")}


def report(baseline: str, before: Memory, now: Memory) -> int:
    """Print the table and the bounds; return the exit code."""
    print(f"\n{'idle, MB':<12}{'RSS':>8}{'PSS':>8}{f'RSS at {baseline}':>18}{'PSS':>8}{'ratio':>8}")
    for name in SERVICES:
        row = (now[name]["Rss"], now[name]["Pss"], before[name]["Rss"], before[name]["Pss"])
        widths = (8, 8, 18, 8)
        columns = "".join(f"{mb:>{width}.1f}" for mb, width in zip(row, widths, strict=True))
        print(f"{name:<12}{columns}{row[0] / row[2]:>8.2f}")
    return check_bounds(*bounds(before, now))


def bounds(before: Memory, now: Memory) -> Sequence[Bound]:
    return [
        Bound(
            f"RSS of {name}, idle: now / before",
            now[name]["Rss"] / before[name]["Rss"],
            most=MAX_RATIOS.get(name, 1.0),
            goal=GOAL,
        )
        for name in SERVICES
    ]


if __name__ == "__main__":
    sys.exit(main())
