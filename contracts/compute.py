"""What is said to and by the compute service: token cluster analysis."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.messages import Command, Event, UnixTime, View

ChainId = Annotated[int, Field(ge=1, le=2**53)]
TokenAddress = Annotated[str, Field(pattern=r"^0x[0-9a-f]{40}$")]


class RequestAnalysis(Command):
    """Find out which wallets hold this token together."""

    type: Literal["RequestAnalysis"] = "RequestAnalysis"
    chain_id: ChainId
    token_address: TokenAddress

    @property
    def stream(self) -> str:
        return f"analysis-{self.chain_id}-{self.token_address}"


ComputeCommand = RequestAnalysis


class AnalysisRequested(Event):
    type: Literal["AnalysisRequested"] = "AnalysisRequested"
    chain_id: ChainId
    token_address: TokenAddress
    requested_at: UnixTime


ComputeEvent = AnalysisRequested


class AnalysisView(View):
    """An analysis and how far it has come."""

    chain_id: ChainId
    token_address: TokenAddress
    state: Literal["queued"]
    requested_at: UnixTime
