"""Token cluster analysis: from transfers and a few facts to a report (pure)."""

from compute.analysis.asking import questions_of
from compute.analysis.labels import BadLabels, Label, Labels, read_labels
from compute.analysis.ledger import replay
from compute.analysis.method import grouped, scene
from compute.analysis.parameters import ALGORITHM, Parameters
from compute.analysis.report import Analysis, Telling
from compute.facts import Facts, Questions, Token
from compute.transfers import Transfers

__all__ = [
    "ALGORITHM",
    "Analysis",
    "BadLabels",
    "Label",
    "Labels",
    "Parameters",
    "analyse",
    "questions",
    "read_labels",
]


def questions(
    transfers: Transfers, token: Token, labels: Labels, parameters: Parameters
) -> Questions:
    """What the chain has to be asked for `analyse`."""
    return questions_of(
        replay(transfers, token.total_supply, parameters), token, labels, parameters
    )


def analyse(
    transfers: Transfers,
    facts: Facts,
    labels: Labels,
    parameters: Parameters,
    *,
    chain: str,
    computed_at: int,
) -> Analysis:
    """Which wallets hold the token together, and by what evidence; same input, same answer.

    Args:
        transfers: All of the token's, up to the pinned block.
        facts: The answers to `questions`.
        labels: Who is known to be no person.
        parameters: Of the method.
        chain: The chain's name, for the report.
        computed_at: UNIX seconds, for the report.
    """
    ledger = replay(transfers, facts.token.total_supply, parameters)
    stage = scene(ledger, facts, labels)
    groups, hubs = grouped(stage, ledger, facts, parameters)
    telling = Telling(ledger, stage, facts, labels, parameters, groups, hubs, chain, computed_at)
    return telling.analysis()
