"""Switch off each signal of the method in turn, on the facts of a complete run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from statistics import mean
from typing import Any, Final

from benchmarks.worlds.judge import Verdict, judge
from benchmarks.worlds.results import Result
from benchmarks.worlds.run import analysed_again
from benchmarks.worlds.scenario import PRECISION, RECALL
from compute.analysis import Parameters

NUMBERS: Final = (
    "bundle_recipients", "service_nonce", "service_partners", "service_deposits", "least_funding",
    "hops", "sweep_sources", "native_sweeps_of", "launch_blocks", "equal_wallets",
)  # fmt: skip
"""Parameters that are numbers and switch a signal off at 0."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """Sum up all scenarios without one signal."""

    signal: str
    precision: float
    """Mean over the scenarios."""
    recall: float
    """Mean over the scenarios that require any."""
    imprecise: tuple[str, ...]
    """Scenarios whose precision falls below the bound, without those where it always does."""
    incomplete: tuple[str, ...]
    """Scenarios whose recall falls below the bound, without those where it always does."""


def signals() -> list[str]:
    """Return the parameters that switch a signal of the method on and off."""
    defaults = Parameters()
    return [
        each.name
        for each in fields(Parameters)
        if getattr(defaults, each.name) is True or each.name in NUMBERS
    ]


def ablations(results: Sequence[Result]) -> Iterator[Ablation]:
    """Yield what remains without each signal, on the worlds whose facts were kept."""
    complete = {
        r.scenario.name: [each.verdict for each in r.worlds if each.kept is not None]
        for r in results
    }
    for signal in signals():
        off: dict[str, Any] = {signal: type(getattr(Parameters(), signal))(0)}
        parameters = replace(Parameters(), **off)
        without = {r.scenario.name: _verdicts(r, parameters) for r in results}
        yield _ablation(signal, complete, without)


def _verdicts(result: Result, parameters: Parameters) -> list[Verdict]:
    return [
        judge(each.kept.world, analysed_again(each.kept, parameters))
        for each in result.worlds
        if each.kept is not None
    ]


def _ablation(
    signal: str, complete: dict[str, list[Verdict]], without: dict[str, list[Verdict]]
) -> Ablation:
    recalls = {name: recall(each) for name, each in without.items()}
    return Ablation(
        signal,
        precision=mean(mean(v.precision for v in each) for each in without.values()),
        recall=mean(each for each in recalls.values() if each is not None),
        imprecise=tuple(
            name
            for name, each in without.items()
            if min(v.precision for v in each) < PRECISION
            and min(v.precision for v in complete[name]) >= PRECISION
        ),
        incomplete=tuple(
            name
            for name, each in recalls.items()
            if each is not None and each < RECALL and (recall(complete[name]) or 0) >= RECALL
        ),
    )


def recall(verdicts: Sequence[Verdict]) -> float | None:
    """Return the mean recall; None if nothing is required."""
    found = [each.recall for each in verdicts if each.recall is not None]
    return mean(found) if found else None
