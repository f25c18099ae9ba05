"""Run analyses one at a time on a separate thread.

numpy and scipy release the interpreter lock during long operations, so the event loop can extend
message visibility and answer health checks in the meantime.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import TypeAdapter

from compute.analysis import AnalysisOutput, Labels, Parameters, analyse, required_facts
from compute.chain_facts import ChainFacts, RequiredFacts
from compute.ports import AnalysisResult
from compute.transfers import Transfers
from contracts.cluster_report import Holder

T = TypeVar("T")

_HOLDERS = TypeAdapter(tuple[Holder, ...])


@dataclass(frozen=True, slots=True)
class ChainProfile:
    """Configure the analyses of one chain."""

    name: str
    labels: Labels
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class ThreadedAnalysisRunner:
    """Run each analysis on a single worker thread."""

    chains: Mapping[int, ChainProfile]
    """By chain id."""
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="analysis")
    )

    async def required_facts(self, transfers: Transfers, facts: ChainFacts) -> RequiredFacts:
        chain = self.chains[facts.chain_id]
        return await self._run(
            lambda: required_facts(transfers, facts, chain.labels, chain.parameters)
        )

    async def analyse(
        self, transfers: Transfers, facts: ChainFacts, computed_at: int
    ) -> AnalysisResult:
        chain = self.chains[facts.chain_id]

        def compute() -> AnalysisResult:
            output = analyse(
                transfers,
                facts,
                chain.labels,
                chain.parameters,
                chain=chain.name,
                computed_at=computed_at,
            )
            return serialize(output)

        return await self._run(compute)

    async def _run(self, compute: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, compute)


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
