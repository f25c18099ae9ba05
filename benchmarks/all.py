"""Run the benchmarks at a reduced size and print all bounds in one table: `make bench-all`.

`make bench-all ONLY="limiter sqs"` runs some of them. A benchmark that takes ten minutes is
stopped. `MISS` marks a bound that holds, next to a goal that is missed. What was measured is
appended to docs/benchmarks/history.jsonl, and the plot next to it is drawn again, unless there are
changes that are not committed. With `AT=COMMIT` the benchmarks of an earlier commit are run on the
code of that commit, in a temporary folder.

Left out: `worlds`, which takes half an hour, `web_pages`, which needs a running demo, and `race`
and `rebuild_under_load`, whose results are no ratios with a bound.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.history_plot import draw
from benchmarks.memory import checked_out
from deploy.folders import ROOT

HISTORY: Final = ROOT / "docs" / "benchmarks" / "history.jsonl"
PLOT: Final = HISTORY.with_suffix(".svg")
_LINE: Final = re.compile(r"^  (ok|BROKEN) +(.+?) *(-?\d+\.\d+)   (at (?:least|most) .+)$")
_LIMIT: Final = re.compile(r"at (least|most) (\S+)")
_GOAL: Final = re.compile(r"goal (\S+) (reached|missed)$")


@dataclass(frozen=True)
class Run:
    """Describe how one benchmark is run."""

    name: str
    arguments: Sequence[str] = ()
    seconds: int = 600
    """Time after which it is stopped and counts as broken."""
    environment: Mapping[str, str] = field(default_factory=dict)


RUNS: Final = (
    Run("command_costs"),
    Run("limiter"),
    Run("sqs"),
    Run("replay", ["--events", "10000", "50000"]),
    Run("gateway_reads", ["--rounds", "7"]),
    Run("gateway_writes", ["--rounds", "5", "--single", "15", "--load", "600"]),
    Run("boards", ["--small", "10000", "--large", "100000"]),
    Run("streams", ["--commits", "300", "1000"]),
    Run("bulk_invites", environment={"INVITES": "4000"}),  # memory is measured after each 2,000
    Run("clusters", ["0.5"]),
    Run("memory"),
)


@dataclass(frozen=True)
class Result:
    """Hold one bound as a benchmark has printed it; a benchmark that failed has no numbers."""

    benchmark: str
    name: str
    holds: bool
    measured: float | None = None
    least: float | None = None
    most: float | None = None
    goal: float | None = None
    reaches_goal: bool = True

    @property
    def sign(self) -> str:
        """What the table says of it."""
        if not self.holds:
            return "FAIL"
        return "pass" if self.reaches_goal else "MISS"


def main() -> int:
    arguments = _arguments()
    if arguments.plot:
        draw(HISTORY, PLOT)
        return 0
    chosen = [run for run in RUNS if not arguments.only or run.name in arguments.only]
    if arguments.at is None:
        results = run_all(chosen, ROOT)
    else:
        with checked_out(arguments.at) as root:
            for folder in (".venv", ".venv-aws"):
                (root / folder).symlink_to(ROOT / folder)
            results = run_all(chosen, root)
    print_table(results)
    if arguments.at is None and (changed := uncommitted()):
        print(f"not stored, since these are not committed:\n{changed}")
    else:
        store(results, arguments.at or "HEAD")
        draw(HISTORY, PLOT)
    return 0 if all(result.holds for result in results) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--at", help="measure this commit instead, with its own benchmarks")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[run.name for run in RUNS])
    parser.add_argument("--plot", action="store_true", help="only draw the plot again")
    return parser.parse_args()


def run_all(runs: Sequence[Run], root: Path) -> list[Result]:
    results: list[Result] = []
    for run in runs:
        started = time.monotonic()
        results += run_one(run, root)
        print(f"{run.name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return results


def run_one(run: Run, root: Path) -> list[Result]:
    """Run a benchmark of the source tree `root`; return the bounds that it printed."""
    environment = {
        **os.environ,
        **run.environment,
        "PYTHONPATH": os.pathsep.join(str(root / part) for part in ("services", "libs", "")),
    }
    process = subprocess.Popen(  # noqa: S603  a program of our own
        [sys.executable, str(root / "benchmarks" / f"{run.name}.py"), *run.arguments],
        env=environment, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=run.seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with the servers that it has started
        process.communicate()
        return [Result(run.name, f"was stopped after {run.seconds} s", holds=False)]
    results = [
        result for line in output.splitlines() if (result := parse(run.name, line)) is not None
    ]
    if not results or process.returncode not in (0, 1):
        sys.stderr.write(errors[-2_000:])
        results.append(Result(run.name, f"ended with exit code {process.returncode}", holds=False))
    return results


def parse(benchmark: str, line: str) -> Result | None:
    """Read a line that `benchmarks/bounds.py` has printed; None if it is another one."""
    found = _LINE.match(line)
    if found is None:
        return None
    limits = {name: float(value) for name, value in _LIMIT.findall(found[4])}
    result = Result(
        benchmark,
        found[2],
        found[1] == "ok",
        float(found[3]),
        limits.get("least"),
        limits.get("most"),
    )
    if goal := _GOAL.search(found[4]):
        return replace(result, goal=float(goal[1]), reaches_goal=goal[2] == "reached")
    return result


def print_table(results: Sequence[Result]) -> None:
    print(f"\n{'':<6}  {'benchmark':<16}{'bound':<72}{'measured':>9}   limit")
    for result in results:
        measured = "" if result.measured is None else f"{result.measured:.2f}"
        limits = [f"at least {result.least:g}"] if result.least is not None else []
        limits += [f"at most {result.most:g}"] if result.most is not None else []
        limits += [f"goal {result.goal:g}"] if result.goal is not None else []
        print(
            f"{result.sign:<6}  {result.benchmark:<16}{result.name:<72}{measured:>9}   "
            f"{' and '.join(limits)}"
        )
    failed = sum(not result.holds for result in results)
    missed = sum(result.sign == "MISS" for result in results)
    print(f"\n{failed} of {len(results)} bounds failed" if failed else "\nall bounds hold")
    if missed:
        print(f"{missed} hold and miss their goal; the decision named in the benchmark says why")


def uncommitted() -> str:
    """Return the changed files, except those that this program writes."""
    return git("status", "--porcelain", "--", ".", ":!docs/benchmarks")


def store(results: Sequence[Result], commit: str) -> None:
    """Append what was measured: a JSON line for each bound."""
    about: dict[str, Any] = {
        "commit": git("rev-parse", "--short=7", commit),
        "date": git("show", "--no-patch", "--format=%cI", commit),
    }
    HISTORY.parent.mkdir(parents=True, exist_ok=True)
    with HISTORY.open("a") as file:
        for result in results:
            if result.measured is None:
                continue
            row = about | {
                "benchmark": result.benchmark,
                "name": result.name,
                "measured": result.measured,
                "least": result.least,
                "most": result.most,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def git(*arguments: str) -> str:
    return subprocess.run(  # noqa: S603  our arguments
        ["git", "-C", str(ROOT), *arguments],  # noqa: S607
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
