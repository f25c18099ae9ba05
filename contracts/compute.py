"""Define the messages and views of the compute service: token cluster analysis."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from contracts.messages import Command, CommandTime, Count, Event, Message, Safe, UnixTime, View
from contracts.read_models import DocumentRef
from contracts.streams import ANALYSES
from contracts.subscription import Subscription

ChainId = Annotated[int, Field(ge=1, le=2**53)]
TokenAddress = Annotated[str, Field(pattern=r"^0x[0-9a-f]{40}$")]
BlockNumber = Annotated[int, Field(ge=0)]
BlockHash = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
Run = Annotated[int, Field(ge=1, description="Counts the analyses of one token.")]
FailureCode = Literal[
    "no_contract",
    "not_erc20",
    "provider_unavailable",
    "too_large",
    "chain_unsettled",
    "not_computable",
]
"""All but `provider_unavailable` and `chain_unsettled` concern the token: another run fails too."""
Step = Literal["preparation", "transfers", "facts", "analysis"]
"""What a run is doing: choosing its block, reading transfers, fetching other facts, computing."""


SERVICE: Final = "compute"
REPORT, HOLDERS, GRAPH = "report", "holders", "graph"
METADATA, SCORE, CHART = "metadata", "score", "holderchart"
"""Names of the bodies of a result; results of earlier versions lack the second three."""

CHAINS: Final = "chains"
"""Key and name of the body that lists the ids of the chains with endpoints."""


def report_key(chain_id: int, token_address: str) -> str:
    """Return the key of a token's reports in the table and in caches."""
    return f"{chain_id}-{token_address}"


def reports_table(stack: str) -> str:
    """Return the name of the table that stores reports."""
    return f"{stack}-compute-reports"


def reports_cache(body: str) -> str:
    """Return the prefix of a body's keys in Redis."""
    return f"cluster-{body}"


REPORTS_CACHE_SECONDS = 24 * 3600
"""Expiry in Redis: long enough to serve a stale report while a new one is computed."""


class ClusterCommand(Command):
    """Address the analyses of one token on one chain."""

    service: ClassVar[str] = SERVICE

    chain_id: Annotated[ChainId, Safe]
    token_address: TokenAddress

    @property
    def stream(self) -> str:
        return analysis_stream(self.chain_id, self.token_address)


def analysis_stream(chain_id: int, token_address: str) -> str:
    """Return the stream of a token's analyses, which is also the id of the job."""
    return ANALYSES.stream(f"{chain_id}-{token_address}")


class RequestAnalysis(ClusterCommand):
    """Request an analysis of the token, or join the active run."""

    type: Literal["RequestAnalysis"] = "RequestAnalysis"


class StartAnalysis(ClusterCommand):
    """Start or continue a run that describes the token at a given block."""

    type: Literal["StartAnalysis"] = "StartAnalysis"
    run: Annotated[Run, Safe]
    from_block: Annotated[BlockNumber, Safe]
    block: Annotated[BlockNumber, Safe]
    block_hash: BlockHash
    block_timestamp: CommandTime
    finalized: bool


class RecordRange(ClusterCommand):
    """Record that the transfers of these blocks are stored."""

    type: Literal["RecordRange"] = "RecordRange"
    run: Annotated[Run, Safe]
    from_block: Annotated[BlockNumber, Safe]
    to_block: Annotated[BlockNumber, Safe]
    block_hash: BlockHash
    count: Count
    segment: Annotated[str, Field(max_length=300)]


class RewindAnalysis(ClusterCommand):
    """Discard the ranges after this block: the chain has left them, or they are replaced."""

    type: Literal["RewindAnalysis"] = "RewindAnalysis"
    run: Annotated[Run, Safe]
    to_block: Annotated[int, Field(ge=-1, description="-1: no range remains valid."), Safe]


class RecordProgress(ClusterCommand):
    """Record that a run continues, although it has had nothing else to record for minutes."""

    type: Literal["RecordProgress"] = "RecordProgress"
    run: Annotated[Run, Safe]
    step: Step


class CompleteAnalysis(ClusterCommand):
    """Record that the report of a run is stored."""

    type: Literal["CompleteAnalysis"] = "CompleteAnalysis"
    run: Annotated[Run, Safe]
    num_clusters: Count
    largest_share: Annotated[float, Field(ge=0, le=1)]


class FailAnalysis(ClusterCommand):
    """Record that a run cannot be completed."""

    type: Literal["FailAnalysis"] = "FailAnalysis"
    run: Annotated[Run, Safe]
    code: FailureCode
    detail: Annotated[str, Field(max_length=500)]


ComputeCommand = (
    RequestAnalysis
    | StartAnalysis
    | RecordRange
    | RewindAnalysis
    | RecordProgress
    | CompleteAnalysis
    | FailAnalysis
)


class AnalysisRequested(Event):
    """Record that an analysis was requested; it starts the work."""

    type: Literal["AnalysisRequested"] = "AnalysisRequested"
    chain_id: ChainId
    token_address: TokenAddress
    requested_at: UnixTime
    run: Run = 1


class AnalysisStarted(Event):
    """Record the start of a run, and the block that its report describes."""

    type: Literal["AnalysisStarted"] = "AnalysisStarted"
    run: Run
    from_block: BlockNumber
    """The first block that may contain a transfer of the token."""
    block: BlockNumber
    block_hash: BlockHash
    block_timestamp: UnixTime
    finalized: bool
    started_at: UnixTime


class RangeSynced(Event):
    """Record a checkpoint: the transfers of these blocks are stored in a segment."""

    type: Literal["RangeSynced"] = "RangeSynced"
    run: Run
    from_block: BlockNumber
    to_block: BlockNumber
    block_hash: BlockHash
    """Hash of `to_block`, by which a later run detects a reorganisation of the chain."""
    count: int
    segment: str
    synced_at: UnixTime


class AnalysisRewound(Event):
    """Record that checkpoints after this block are dropped.

    They are on a branch that the chain has left, or follow a range that had too few transfers.
    """

    type: Literal["AnalysisRewound"] = "AnalysisRewound"
    run: Run
    to_block: int
    transfers: int
    """Number of transfers in the remaining checkpoints."""
    rewound_at: UnixTime


class AnalysisProgressed(Event):
    """Record that the run continues, so that no other one is started next to it."""

    type: Literal["AnalysisProgressed"] = "AnalysisProgressed"
    run: Run
    step: Step
    progressed_at: UnixTime


class AnalysisCompleted(Event):
    """Record that the report of the run is stored."""

    type: Literal["AnalysisCompleted"] = "AnalysisCompleted"
    run: Run
    num_clusters: int
    largest_share: float
    completed_at: UnixTime


class AnalysisFailed(Event):
    """Record that the run ended without a report."""

    type: Literal["AnalysisFailed"] = "AnalysisFailed"
    run: Run
    code: FailureCode
    detail: str
    failed_at: UnixTime


ComputeEvent = (
    AnalysisRequested
    | AnalysisStarted
    | RangeSynced
    | AnalysisRewound
    | AnalysisProgressed
    | AnalysisCompleted
    | AnalysisFailed
)

SUBSCRIPTION: Final = Subscription(SERVICE, AnalysisRequested)
"""An event of the service itself: the analysis takes longer than a command may."""

JobState = Literal["queued", "syncing", "analysing", "done", "failed"]


class Progress(Message):
    """How far the transfers of a token have been read."""

    from_block: int = Field(description="The first block that is read.")
    to_block: int = Field(description="The last block whose transfers are stored.")
    head: int = Field(description="The block that the report will describe.")
    transfers: int = Field(description="Number of transfers stored so far.")


class AnalysisView(View):
    """A job: the latest analysis of a token, and its progress."""

    id: str = ""
    chain_id: ChainId
    token_address: TokenAddress
    state: JobState
    run: Run = 1
    requested_at: UnixTime
    started_at: UnixTime | None = None
    ended_at: UnixTime | None = None
    progress: Progress | None = None
    code: FailureCode | None = Field(None, description="Why it failed, for programs.")
    detail: str | None = Field(None, description="Why it failed, for people.")
    result: str | None = Field(None, description="The path of the report, once it exists.")


# Read models

ANALYSIS_JOBS: Final = DocumentRef(SERVICE, "analyses", AnalysisView)
