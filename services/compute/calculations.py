"""Merge and analyse transfers: the functions that run in the separate process."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import TypeAdapter

from compute.analysis import (
    AnalysisOutput,
    Labels,
    Parameters,
    analyse,
    contradictions,
    required_facts,
)
from compute.analysis.ledger import replay
from compute.chain.segments import unpack
from compute.chain_facts import ChainFacts, RequiredFacts
from compute.columns import StoredColumns
from compute.contradictions import Contradictions
from compute.merging import append_segments
from compute.ports import AnalysisResult, MergedTransfers
from compute.transfers import Transfers
from contracts.cluster_report import Holder

_HOLDERS = TypeAdapter(tuple[Holder, ...])


@dataclass(frozen=True, slots=True)
class ChainProfile:
    """Configure the analyses of one chain."""

    name: str
    labels: Labels
    parameters: Parameters


def append_stored(directory: Path, segments: Sequence[tuple[str, str, bytes]]) -> None:
    """Append segments (version, key, and as stored); what is mapped must not be kept longer."""
    _forget()
    append_segments(directory, ((version, unpack(raw, key)) for version, key, raw in segments))


def next_facts(merged: MergedTransfers, facts: ChainFacts, profile: ChainProfile) -> RequiredFacts:
    """Return what to fetch next; the ledger is kept for the next call."""
    return required_facts(_opened(merged), facts, profile.labels, profile.parameters)


def contradictions_of(
    merged: MergedTransfers, facts: ChainFacts, profile: ChainProfile, ends: Sequence[int]
) -> Contradictions:
    """Return whose balances are not what the transfers add up to."""
    return contradictions(_opened(merged), facts, profile.parameters, ends)


def result_of(
    merged: MergedTransfers, facts: ChainFacts, profile: ChainProfile, computed_at: int
) -> AnalysisResult:
    """Analyse the transfers, and release what was kept of them."""
    output = analyse(
        _opened(merged),
        facts,
        profile.labels,
        profile.parameters,
        chain=profile.name,
        computed_at=computed_at,
    )
    _forget()
    return serialize(output)


def _forget() -> None:
    replay.cache_clear()
    _opened.cache_clear()


@lru_cache(maxsize=1)
def _opened(merged: MergedTransfers) -> Transfers:
    return merged.open() if isinstance(merged, StoredColumns) else merged


def serialize(output: AnalysisOutput) -> AnalysisResult:
    """Return the JSON bodies of an analysis."""
    clusters = output.report.clusters
    return AnalysisResult(
        report=output.report.model_dump_json().encode(),
        holders=_HOLDERS.dump_json(output.holders),
        graph=output.graph.model_dump_json().encode(),
        summary=output.summary.model_dump_json().encode(),
        metadata=output.metadata.model_dump_json().encode(),
        score=output.score.model_dump_json().encode(),
        chart=output.chart.model_dump_json().encode(),
        num_clusters=len(clusters),
        largest_share=min(1.0, clusters[0].share) if clusters else 0.0,
    )
