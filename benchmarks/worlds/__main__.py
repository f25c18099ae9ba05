"""Judge cluster analysis on simulated launches.

    python -m benchmarks.worlds [--split tuning|held-out] [--only NAME] [--seed N] [--scale N]
                                [--report-only]

Without options all scenarios run with all seeds, and every bound is checked: the exit code is 1 if
one is broken. While a method is tuned only `--split tuning` may be looked at.
"""

import argparse
import sys
from statistics import mean

from benchmarks.worlds.results import Result, calibration, measure
from benchmarks.worlds.scenario import Scenario, Split
from benchmarks.worlds.scenarios import SCENARIOS

TITLE = (
    "scenario                              split      P mean   P min  R mean   R min"
    "  clusters  high-mixed  holders  calls/holder"
)


def main() -> int:
    options = _options()
    chosen = _chosen(options.split, options.only)
    print(TITLE)
    results = []
    for scenario in chosen:
        result = measure(scenario, options.split, scale=options.scale)
        print(row(result), flush=True)
        results.append(result)
    print_calibration(results)
    return check(results)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--split", choices=("tuning", "held-out"))
    parser.add_argument("--only", default="", help="part of a scenario's name")
    parser.add_argument("--scale", type=int, default=1, help="multiplies the people")
    return parser.parse_args()


def _chosen(split: Split | None, only: str) -> list[Scenario]:
    return [
        each
        for each in SCENARIOS.values()
        if only in each.name and (split is None or each.split == split)
    ]


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
