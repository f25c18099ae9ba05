"""Switch off each signal of the method in turn, on the facts of a complete run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from statistics import mean
from typing import Any, Final

from benchmarks.worlds.judge import Verdict, judge
from benchmarks.worlds.run import Analysed, analysed_again
from benchmarks.worlds.scenario import PRECISION, RECALL, SUSPECTED
from compute.analysis import Parameters

NUMBERS: Final = (
    "bundle_recipients", "service_nonce", "service_partners", "service_deposits", "least_funding",
    "hops", "sweep_sources", "native_sweeps_of", "launch_blocks", "equal_wallets",
)  # fmt: skip
"""Parameters that are numbers and switch a signal off at 0."""

Verdicts = Mapping[str, Verdict]
"""By scenario, with the same seed."""


@dataclass(frozen=True, slots=True)
class Ablation:
    """Sum up all scenarios without one signal; each list has what broke for want of it."""

    signal: str
    precision: float
    """Mean over the scenarios."""
    recall: float
    """Mean over the scenarios that require any."""
    imprecise: tuple[str, ...]
    """Scenarios whose precision falls below the bound."""
    incomplete: tuple[str, ...]
    """Scenarios whose recall falls below the bound."""
    unsuspected: tuple[str, ...]
    """Scenarios of whose suspects fewer are pointed out than the bound."""


def signals() -> list[str]:
    """Return the parameters that switch a signal of the method on and off."""
    defaults = Parameters()
    return [
        each.name
        for each in fields(Parameters)
        if getattr(defaults, each.name) is True or each.name in NUMBERS
    ]


def verdicts_without(done: Analysed) -> dict[str, Verdict]:
    """Return the verdict on one world without each signal."""
    return {
        signal: judge(done.world, analysed_again(done, _without(signal))) for signal in signals()
    }


def _without(signal: str) -> Parameters:
    off: dict[str, Any] = {signal: type(getattr(Parameters(), signal))(0)}
    return replace(Parameters(), **off)


def ablations(complete: Verdicts, without: Mapping[str, Verdicts]) -> Iterator[Ablation]:
    """Yield what remains without each signal, and which bounds break that hold with it."""
    for signal, verdicts in without.items():
        yield Ablation(
            signal,
            precision=mean(each.precision for each in verdicts.values()),
            recall=mean(_known([each.recall for each in verdicts.values()])),
            imprecise=_broken(complete, verdicts, "precision", PRECISION),
            incomplete=_broken(complete, verdicts, "recall", RECALL),
            unsuspected=_broken(complete, verdicts, "suspected", SUSPECTED),
        )


def _known(shares: Sequence[float | None]) -> list[float]:
    return [each for each in shares if each is not None]


def _broken(complete: Verdicts, without: Verdicts, share: str, bound: float) -> tuple[str, ...]:
    def holds(verdict: Verdict) -> bool:
        found: float | None = getattr(verdict, share)
        return found is None or found >= bound

    return tuple(
        name for name, each in without.items() if holds(complete[name]) and not holds(each)
    )
