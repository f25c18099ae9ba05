"""Define the interfaces that the worker depends on, and the exception that ends an analysis."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from compute.chain_facts import Address, ChainFacts, PinnedBlock, RequiredFacts, TokenInfo
from compute.columns import StoredColumns
from compute.contradictions import Balances, Contradictions
from compute.transfers import TransferRange, Transfers
from contracts.compute import CHART, GRAPH, HOLDERS, METADATA, REPORT, SCORE, FailureCode


class AnalysisFailure(Exception):
    """Report that this analysis cannot be completed; `detail` is shown to users."""

    def __init__(self, code: FailureCode, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class Chain(Protocol):
    """Query one chain; every method raises `AnalysisFailure` if the query cannot be answered."""

    async def pinned(self) -> PinnedBlock:
        """Return the newest block that the chain will not revert."""

    async def token(self, address: str, pinned: PinnedBlock) -> TokenInfo:
        """Return the token as it was at the pinned block."""

    async def block_hash(self, number: int) -> str | None:
        """Return the hash of a block; None if the chain has no such block."""

    def sync(self, address: str, from_block: int, to_block: int) -> AsyncIterator[TransferRange]:
        """Yield the token's transfers in consecutive ranges, without gaps."""

    async def fetch_facts(
        self, token: TokenInfo, pinned: PinnedBlock, required: RequiredFacts
    ) -> ChainFacts:
        """Return the required facts at the pinned block, and what was `requested`."""

    async def balances(
        self, token: TokenInfo, addresses: Sequence[Address], block: int
    ) -> Balances:
        """Return `balanceOf` addresses at an earlier block; nothing if its state is not kept."""

    async def read_again(
        self, address: str, from_block: int, to_block: int, count: int
    ) -> TransferRange | None:
        """Read blocks from each endpoint, in smaller ranges than before.

        Return the most transfers that are found; None if they are no more than `count`.
        """


class SegmentStore(Protocol):
    """Store ranges of transfers that were read from a chain."""

    async def put(self, chain_id: int, token: str, read: TransferRange) -> str:
        """Store a range and return its key."""


MergedTransfers = Transfers | StoredColumns
"""All transfers of a token; stored ones are mapped where they are analysed."""


class TransferColumns(Protocol):
    """Merge the stored ranges of a token."""

    async def merged(
        self, chain_id: int, token: str, segments: Sequence[str], until: int
    ) -> MergedTransfers:
        """Return the transfers of these segments, in this order, up to and including a block."""


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """Hold the JSON bodies of a finished analysis, as they are stored and served."""

    report: bytes
    holders: bytes
    graph: bytes
    summary: bytes
    metadata: bytes
    score: bytes
    chart: bytes
    num_clusters: int
    largest_share: float
    """Share of the circulating supply held by the largest cluster, 0 to 1."""

    def bodies(self) -> Mapping[str, bytes]:
        """Return what is stored in parts, by the names of the bodies."""
        return {
            REPORT: self.report,
            HOLDERS: self.holders,
            GRAPH: self.graph,
            METADATA: self.metadata,
            SCORE: self.score,
            CHART: self.chart,
        }


class AnalysisRunner(Protocol):
    """Run the computation outside the event loop."""

    async def required_facts(self, transfers: MergedTransfers, facts: ChainFacts) -> RequiredFacts:
        """Return what to fetch from the chain next, given `facts`; nothing if all is known.

        It lists only what was not `requested` before, so that asking again comes to an end.
        """

    async def contradictions(
        self, transfers: MergedTransfers, facts: ChainFacts, ends: Sequence[int]
    ) -> Contradictions:
        """Return whose balances are not what the transfers add up to.

        `ends` are the last blocks of the ranges by which their changes are added up.
        """

    async def analyse(
        self, transfers: MergedTransfers, facts: ChainFacts, computed_at: int
    ) -> AnalysisResult:
        """Compute the report; `computed_at` is in UNIX seconds."""
