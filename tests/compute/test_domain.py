from compute.domain import ANALYSES
from contracts.compute import AnalysisRequested, RequestAnalysis
from tests.support.scenario import NOON, Scenario

TOKEN = "0x" + "ab" * 20


def test_a_chain_without_an_endpoint_is_refused() -> None:
    request = RequestAnalysis(chain_id=1, token_address=TOKEN)
    Scenario(ANALYSES).when(request).then_rejected("unsupported_chain")


def test_a_request_is_remembered() -> None:
    requested = AnalysisRequested(chain_id=1, token_address=TOKEN, requested_at=NOON.at)
    assert ANALYSES.fold([requested]).requested
