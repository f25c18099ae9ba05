"""What is said to and by the compute service: token cluster analysis."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from contracts.messages import Command, Event, Message, UnixTime, View
from contracts.read_models import DocumentRef
from contracts.streams import ANALYSES
from contracts.subscription import Subscription

ChainId = Annotated[int, Field(ge=1, le=2**53)]
TokenAddress = Annotated[str, Field(pattern=r"^0x[0-9a-f]{40}$")]
BlockNumber = Annotated[int, Field(ge=0)]
BlockHash = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$")]
Run = Annotated[int, Field(ge=1, description="Counts the analyses of one token.")]
FailureCode = Literal[
    "no_contract", "not_erc20", "provider_unavailable", "too_large", "chain_unsettled"
]
"""`no_contract` and `not_erc20` are about the token: another try soon would say the same."""


SERVICE: Final = "compute"
REPORT, HOLDERS, GRAPH = "report", "holders", "graph"
"""The bodies of a result."""


def report_key(chain_id: int, token_address: str) -> str:
    """What a token's reports are kept under, in the table and in caches."""
    return f"{chain_id}-{token_address}"


def reports_table(stack: str) -> str:
    return f"{stack}-compute-reports"


def reports_cache(body: str) -> str:
    """The prefix of a body's keys in Redis."""
    return f"cluster-{body}"


REPORTS_KEPT_SECONDS = 24 * 3600
"""In Redis: long enough that a stale report is served while a new one is made."""


class ClusterCommand(Command):
    """Address the analyses of one token on one chain."""

    service: ClassVar[str] = SERVICE

    chain_id: ChainId
    token_address: TokenAddress

    @property
    def stream(self) -> str:
        return analysis_stream(self.chain_id, self.token_address)


def analysis_stream(chain_id: int, token_address: str) -> str:
    """The stream of a token's analyses; it is also the name of the job that readers watch."""
    return ANALYSES.stream(f"{chain_id}-{token_address}")


class RequestAnalysis(ClusterCommand):
    """Find out which wallets hold this token together; a run that is under way is joined."""

    type: Literal["RequestAnalysis"] = "RequestAnalysis"


class StartAnalysis(ClusterCommand):
    """Begin a run, or go on with it, at a block that everything will be true at."""

    type: Literal["StartAnalysis"] = "StartAnalysis"
    run: Run
    from_block: BlockNumber
    block: BlockNumber
    block_hash: BlockHash
    block_timestamp: UnixTime
    finalized: bool


class RecordRange(ClusterCommand):
    """The transfers of these blocks are kept."""

    type: Literal["RecordRange"] = "RecordRange"
    run: Run
    from_block: BlockNumber
    to_block: BlockNumber
    block_hash: BlockHash
    count: Annotated[int, Field(ge=0)]
    segment: Annotated[str, Field(max_length=300)]


class RewindAnalysis(ClusterCommand):
    """The chain has taken blocks back: forget what was kept of blocks after this one."""

    type: Literal["RewindAnalysis"] = "RewindAnalysis"
    run: Run
    to_block: Annotated[int, Field(ge=-1, description="-1: nothing that was kept still stands.")]


class CompleteAnalysis(ClusterCommand):
    """The report of a run is stored."""

    type: Literal["CompleteAnalysis"] = "CompleteAnalysis"
    run: Run
    num_clusters: Annotated[int, Field(ge=0)]
    largest_share: Annotated[float, Field(ge=0, le=1)]


class FailAnalysis(ClusterCommand):
    """A run cannot come to its end."""

    type: Literal["FailAnalysis"] = "FailAnalysis"
    run: Run
    code: FailureCode
    detail: Annotated[str, Field(max_length=500)]


ComputeCommand = (
    RequestAnalysis | StartAnalysis | RecordRange | RewindAnalysis | CompleteAnalysis | FailAnalysis
)


class AnalysisRequested(Event):
    type: Literal["AnalysisRequested"] = "AnalysisRequested"
    chain_id: ChainId
    token_address: TokenAddress
    requested_at: UnixTime
    run: Run = 1


class AnalysisStarted(Event):
    """Everything in this run's report is true at this block."""

    type: Literal["AnalysisStarted"] = "AnalysisStarted"
    run: Run
    from_block: BlockNumber
    """Where the token's first transfer may be."""
    block: BlockNumber
    block_hash: BlockHash
    block_timestamp: UnixTime
    finalized: bool
    started_at: UnixTime


class RangeSynced(Event):
    """A checkpoint: the transfers of these blocks lie in a segment, and need no second look."""

    type: Literal["RangeSynced"] = "RangeSynced"
    run: Run
    from_block: BlockNumber
    to_block: BlockNumber
    block_hash: BlockHash
    """Of `to_block`: by it a later run sees whether the chain is still the same."""
    count: int
    segment: str
    synced_at: UnixTime


class AnalysisRewound(Event):
    """Checkpoints after this block stand on a branch that the chain has left."""

    type: Literal["AnalysisRewound"] = "AnalysisRewound"
    run: Run
    to_block: int
    transfers: int
    """Kept in the checkpoints that still stand."""
    rewound_at: UnixTime


class AnalysisCompleted(Event):
    type: Literal["AnalysisCompleted"] = "AnalysisCompleted"
    run: Run
    num_clusters: int
    largest_share: float
    completed_at: UnixTime


class AnalysisFailed(Event):
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
    | AnalysisCompleted
    | AnalysisFailed
)

SUBSCRIPTION: Final = Subscription(SERVICE, AnalysisRequested)
"""The own request for an analysis: work that takes longer than a command may."""

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
