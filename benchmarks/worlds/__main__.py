"""Judge cluster analysis on simulated launches.

    python -m benchmarks.worlds [--split tuning|held-out] [--only NAME] [--scale N] [--large]
                                [--no-signals] [--seeds 101,102] [--store FILE]

Without options all scenarios run with all seeds, every signal of the method is switched off in
turn, and every bound is checked: the exit code is 1 if one is broken. While a method is tuned only
`--split tuning` may be looked at. `--large` runs tokens of 100 to 60,000 holders instead.
`--store` keeps what was measured: a command that was interrupted goes on where it ended.
"""

import argparse
import sys
from pathlib import Path
from statistics import mean

from benchmarks.worlds.ablation import ablations
from benchmarks.worlds.results import Result, calibration, measure
from benchmarks.worlds.scenario import Scenario, Split
from benchmarks.worlds.scenarios import SCENARIOS
from benchmarks.worlds.store import Store

LARGE = (
    ("owners-of-a-safe", 1), ("multisender-pays-a-crowd", 1), ("many-small-groups", 1),
    ("many-small-groups", 5), ("mixture", 12), ("many-small-groups", 55),
)  # fmt: skip
"""Scenarios and scales that `--large` runs: some 100, 300, 1,000, 5,000, 6,000, 60,000 holders."""
TITLE = (
    "scenario                              split      P mean   P min  R mean   R min"
    "  clusters  high-mixed  holders  calls/holder"
)


def main() -> int:
    options = _options()
    if options.large:
        return large()
    print(TITLE)
    store = Store(options.store, f"{options.scale} {options.seeds} {options.signals}")
    results = []
    for scenario in _chosen(options.split, options.only):
        result = store.stored(scenario, options.split) or measure(
            scenario, options.split,
            scale=options.scale, signals=options.signals, seeds=options.seeds,
        )  # fmt: skip
        store.add(result, options.split)
        print(row(result), flush=True)
        results.append(result)
    print_calibration(results)
    if options.signals:
        print_ablations(results)
    return check(results)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--split", choices=("tuning", "held-out"))
    parser.add_argument("--only", default="", help="part of a scenario's name")
    parser.add_argument("--scale", type=int, default=1, help="multiplies the people")
    parser.add_argument("--seeds", type=_numbers, help="such as 101,102, instead of the usual")
    parser.add_argument("--store", type=Path, help="file that keeps what was measured")
    parser.add_argument("--large", action="store_true", help="up to 60,000 holders")
    parser.add_argument(
        "--signals", action=argparse.BooleanOptionalAction, default=True,
        help="switch off each signal in turn, with one seed of each scenario",
    )  # fmt: skip
    return parser.parse_args()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _chosen(split: Split | None, only: str) -> list[Scenario]:
    return [
        each
        for each in SCENARIOS.values()
        if only in each.name and (split is None or each.split == split)
    ]


def large() -> int:
    """Run tokens with few to very many holders, and check the bounds on their calls."""
    print(TITLE)
    results = []
    for name, scale in LARGE:
        results.append(measure(SCENARIOS[name], None, scale=scale, seeds=(1,)))
        (world,) = results[-1].worlds
        print(f"{row(results[-1])}   {world.calls} calls, {world.seconds / 60:.1f} min at 25/s")
    return check(results)


def row(result: Result) -> str:
    """Return the line of a scenario."""
    precisions, recalls = result.precisions, result.recalls
    recall = f"{mean(recalls):>7.3f} {min(recalls):>7.3f}" if recalls else f"{'-':>7} {'-':>7}"
    return (
        f"{result.scenario.name:<37} {result.scenario.split:<9}"
        f" {mean(precisions):>7.3f} {min(precisions):>7.3f} {recall}"
        f" {len(result.clusters):>9} {result.accusations:>11} {result.holders:>8}"
        f" {result.calls_per_holder:>13.1f}"
    )


def print_calibration(results: list[Result]) -> None:
    """Print how many clusters of each confidence have one owner."""
    print("\nconfidence   clusters   of one owner   share")
    for confidence, (count, right) in calibration(results).items():
        share = f"{right / count:>7.3f}" if count else f"{'-':>7}"
        print(f"{confidence:<12} {count:>8} {right:>14} {share}")


def print_ablations(results: list[Result]) -> None:
    """Print what becomes worse without each signal, with one seed of each scenario."""
    print("\nwithout                P mean  R mean   scenarios that break")
    complete = {each.scenario.name: each.worlds[0].verdict for each in results}
    without = {
        signal: {each.scenario.name: each.without[signal] for each in results}
        for signal in results[0].without
    }
    for each in ablations(complete, without):
        lost = [f"{name} (precision)" for name in each.imprecise]
        lost += [f"{name} (recall)" for name in each.incomplete]
        lost += [f"{name} (suspicions)" for name in each.unsuspected]
        line = f"{each.signal:<21} {each.precision:>7.3f} {each.recall:>7.3f}"
        print(line + "   " + (", ".join(lost) or "-"), flush=True)


def check(results: list[Result]) -> int:
    """Print what is broken; return the exit code."""
    broken = [(each.scenario.name, text) for each in results for text in each.violations()]
    print()
    for name, text in broken:
        print(f"BROKEN  {name}: {text}")
    print(f"{len(broken)} bounds are broken" if broken else "all bounds hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
