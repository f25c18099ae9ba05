"""Analyses: one per chain and token."""

from dataclasses import dataclass, replace
from typing import assert_never

from chassis.decider import Decider, Moment, Rejected
from contracts.compute import AnalysisRequested, ComputeCommand, ComputeEvent, RequestAnalysis

CHAINS: frozenset[int] = frozenset()
"""Chains with an endpoint. None is configured yet, so every analysis is refused, and says so."""


@dataclass(frozen=True, slots=True)
class Analysis:
    requested: bool = False


def decide(analysis: Analysis, command: ComputeCommand, moment: Moment) -> list[ComputeEvent]:
    match command:
        case RequestAnalysis():
            return _request(analysis, command, moment)
        case _:
            assert_never(command)


def evolve(analysis: Analysis, event: ComputeEvent) -> Analysis:
    match event:
        case AnalysisRequested():
            return replace(analysis, requested=True)
        case _:
            assert_never(event)


def _request(analysis: Analysis, command: RequestAnalysis, moment: Moment) -> list[ComputeEvent]:
    if command.chain_id not in CHAINS:
        raise Rejected(
            f"chain {command.chain_id} is not supported: no endpoint is configured for it",
            code="unsupported_chain",
            kind="not_implemented",
        )
    if analysis.requested:
        return []
    return [
        AnalysisRequested(
            chain_id=command.chain_id,
            token_address=command.token_address,
            requested_at=moment.at,
        )
    ]


ANALYSES = Decider(Analysis(), decide, evolve)
