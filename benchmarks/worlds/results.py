"""Run scenarios over their seeds, and sum up the verdicts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean

from benchmarks.worlds.ablation import verdicts_without
from benchmarks.worlds.judge import JudgedCluster, Verdict, judge
from benchmarks.worlds.run import analysed
from benchmarks.worlds.scenario import PRECISION, SUSPECTED, Scenario, Split

LEAST_CALLS = 15_000
"""Calls that any token may take: ten minutes at 25 a second."""
CALLS_PER_HOLDER = 1.5
"""Calls that a large token may take per holder: 60,000 holders in an hour."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold the verdict on one world and what the analysis cost."""

    verdict: Verdict
    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """Hold the verdicts on one scenario, one per seed."""

    scenario: Scenario
    worlds: Sequence[Measured]
    without: Mapping[str, Verdict] = field(default_factory=dict)
    """By signal: the verdict on the first world if the signal is switched off."""

    @property
    def precisions(self) -> list[float]:
        return [each.verdict.precision for each in self.worlds]

    @property
    def recalls(self) -> list[float]:
        return [each.verdict.recall for each in self.worlds if each.verdict.recall is not None]

    @property
    def clusters(self) -> list[JudgedCluster]:
        return [cluster for each in self.worlds for cluster in each.verdict.clusters]

    @property
    def accusations(self) -> int:
        return sum(each.verdict.accusations for each in self.worlds)

    @property
    def holders(self) -> int:
        return round(mean(each.verdict.holders for each in self.worlds))

    @property
    def calls_per_holder(self) -> float:
        return mean(each.calls / max(1, each.verdict.holders) for each in self.worlds)

    def violations(self) -> list[str]:
        """Return what is wrong with this scenario, in words."""
        found = []
        if min(self.precisions) < PRECISION:
            found.append(f"precision {min(self.precisions):.3f} is below {PRECISION}")
        least = self.scenario.recall
        if least is not None and self.recalls and mean(self.recalls) < least:
            found.append(f"recall {mean(self.recalls):.3f} is below {least}")
        if self.accusations:
            found.append(f'{self.accusations} clusters rated "high" mix owners')
        suspected = [
            v.suspected for each in self.worlds if (v := each.verdict).suspected is not None
        ]
        if suspected and mean(suspected) < SUSPECTED:
            found.append(f"{mean(suspected):.3f} of the suspects are pointed out")
        over = [each for each in self.worlds if each.calls > allowed_calls(each.verdict.holders)]
        if over:
            found.append(f"{over[0].calls} calls for {over[0].verdict.holders} holders")
        return found


def allowed_calls(holders: int) -> float:
    """Return the calls that an analysis of a token may take."""
    return max(LEAST_CALLS, CALLS_PER_HOLDER * holders)


def measure(
    scenario: Scenario,
    split: Split | None,
    *,
    scale: int = 1,
    signals: bool = False,
    seeds: Sequence[int] | None = None,
) -> Result:
    """Analyse the worlds of a scenario; `signals` switches off each in turn on the first."""
    worlds: list[Measured] = []
    without: dict[str, Verdict] = {}
    for seed in seeds or scenario.seeds(split):
        world = scenario.world(seed, scale)
        done = analysed(world)
        worlds.append(Measured(judge(world, done.report), done.calls, done.seconds))
        if signals and not without:
            without = verdicts_without(done)
    return Result(scenario, worlds, without)


def calibration(results: Iterable[Result]) -> dict[str, tuple[int, int]]:
    """Return, by confidence, how many clusters there are and how many have one owner."""
    table = dict.fromkeys(("high", "medium", "low"), (0, 0))
    for result in results:
        for cluster in result.clusters:
            count, right = table[cluster.confidence]
            table[cluster.confidence] = count + 1, right + (not cluster.mixed)
    return table
