"""The computation beside the event loop: one at a time, on a thread of its own.

numpy and scipy let go of the interpreter where it takes long, so that messages are kept and health
is answered meanwhile.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import TypeAdapter

from compute.analysis import Analysis, Labels, Parameters, analyse, questions
from compute.facts import Facts, Questions, Token
from compute.ports import Analysed
from compute.transfers import Transfers
from contracts.cluster_report import Holder

T = TypeVar("T")

_HOLDERS = TypeAdapter(tuple[Holder, ...])


@dataclass(frozen=True, slots=True)
class Ground:
    """What an analysis stands on, on one chain."""

    name: str
    labels: Labels
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class ThreadedAnalyst:
    chains: Mapping[int, Ground]
    """By chain id."""
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="analysis")
    )

    async def questions(self, chain_id: int, transfers: Transfers, token: Token) -> Questions:
        ground = self.chains[chain_id]
        return await self._beside(
            lambda: questions(transfers, token, ground.labels, ground.parameters)
        )

    async def analyse(self, transfers: Transfers, facts: Facts, computed_at: int) -> Analysed:
        ground = self.chains[facts.chain_id]

        def work() -> Analysed:
            analysis = analyse(
                transfers,
                facts,
                ground.labels,
                ground.parameters,
                chain=ground.name,
                computed_at=computed_at,
            )
            return written(analysis)

        return await self._beside(work)

    async def _beside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def written(analysis: Analysis) -> Analysed:
    """As JSON, which is how all of it is kept and served."""
    clusters = analysis.report.clusters
    return Analysed(
        report=analysis.report.model_dump_json().encode(),
        holders=_HOLDERS.dump_json(analysis.holders),
        graph=analysis.graph.model_dump_json().encode(),
        summary=analysis.summary.model_dump_json().encode(),
        num_clusters=len(clusters),
        largest_share=min(1.0, clusters[0].share) if clusters else 0.0,
    )
