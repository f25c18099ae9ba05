"""Find wallets with one owner, from a token's transfers and a few chain facts (pure)."""

from collections.abc import Sequence

from compute.analysis.comparison import contradictions_in
from compute.analysis.labels import InvalidLabels, Label, Labels, read_labels
from compute.analysis.ledger import replay
from compute.analysis.method import find
from compute.analysis.nodes import nodes_of
from compute.analysis.output import AnalysisOutput, output_of
from compute.analysis.parameters import ALGORITHM, Parameters
from compute.analysis.required_facts import facts_required_by
from compute.chain_facts import ChainFacts, RequiredFacts
from compute.contradictions import Contradictions
from compute.transfers import Transfers

__all__ = [
    "ALGORITHM",
    "AnalysisOutput",
    "InvalidLabels",
    "Label",
    "Labels",
    "Parameters",
    "analyse",
    "contradictions",
    "read_labels",
    "required_facts",
]


def required_facts(
    transfers: Transfers, facts: ChainFacts, labels: Labels, parameters: Parameters
) -> RequiredFacts:
    """Return what to fetch from the chain next, given `facts`; nothing if all is known."""
    ledger = replay(transfers, parameters)
    nodes = nodes_of(ledger, facts, labels, parameters)
    required = facts_required_by(ledger, nodes, facts, labels, parameters)
    return required.without(facts.requested)


def contradictions(
    transfers: Transfers, facts: ChainFacts, parameters: Parameters, ends: Sequence[int]
) -> Contradictions:
    """Return whose `balanceOf` is not what the transfers add up to, by ranges of blocks."""
    return contradictions_in(replay(transfers, parameters), facts, ends)


def analyse(
    transfers: Transfers,
    facts: ChainFacts,
    labels: Labels,
    parameters: Parameters,
    *,
    chain: str,
    computed_at: int,
) -> AnalysisOutput:
    """Find which wallets hold the token together, and the evidence; deterministic.

    Args:
        transfers: All transfers of the token up to the pinned block.
        facts: The facts that `required_facts` listed, round after round.
        labels: Addresses known to be infrastructure.
        parameters: Thresholds of the method.
        chain: The chain's name, for the report.
        computed_at: UNIX seconds, for the report.
    """
    ledger = replay(transfers, parameters)
    nodes = nodes_of(ledger, facts, labels, parameters)
    ledger.release()
    findings = find(nodes, ledger, facts, parameters)
    ledger.release()
    return output_of(
        ledger,
        nodes,
        facts,
        findings,
        labels=labels,
        parameters=parameters,
        chain=chain,
        computed_at=computed_at,
    )
