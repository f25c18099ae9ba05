"""Rate how widely a token is held, from 0 to 100, with a reason for each part."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log10
from typing import Final, Literal

import numpy as np

from compute.analysis.concentration import Shares
from compute.analysis.findings import Findings
from compute.analysis.holdings import Holdings
from compute.analysis.metrics import wallet_shares
from compute.analysis.nodes import Nodes
from compute.chain_facts import ChainFacts
from contracts.cluster_report import ClusterReport, TokenScore, TokenScoreComponent

RULES: Final = "holding/1"
Name = Literal[
    "largestEntity", "topTen", "deployer", "spread", "freshWallets", "suspicions", "verified"
]


@dataclass(frozen=True, slots=True)
class Rule:
    """Describe a component: values between `worst` and `best` are interpolated."""

    weight: int
    worst: float
    """The value that scores 0."""
    best: float
    """The value that scores 100."""
    why: str
    """The reason in words, with the value as `share` or as `holders`."""


SCORED: Final[dict[Name, Rule]] = {
    "largestEntity": Rule(
        25, 0.30, 0.02, "{share} of the circulating supply is held by the largest cluster or wallet"
    ),
    "topTen": Rule(20, 0.90, 0.20, "{share} is held by the ten largest clusters or wallets"),
    "deployer": Rule(15, 0.20, 0.0, "{share} is held by the deployer and their cluster"),
    "spread": Rule(10, 0.0, 3.0, "it is held as if by {holders} holders with equal parts"),
    "freshWallets": Rule(10, 0.50, 0.05, "{share} is held by wallets funded in the last week"),
    "suspicions": Rule(10, 0.30, 0.0, "{share} is held by wallets that behaved conspicuously"),
    "verified": Rule(10, 0.0, 1.0, "{share} of what the report rests on is verified"),
}
"""The components of a score; the weights add up to 100."""


def score_of(
    report: ClusterReport,
    nodes: Nodes,
    holdings: Holdings,
    findings: Findings,
    facts: ChainFacts,
) -> TokenScore:
    """Return the score of a report; it has none if no person holds the token."""
    shares = wallet_shares(holdings)
    measured = holdings.circulating > 0
    values: dict[Name, float] = {
        "largestEntity": _largest_entity(shares, findings),
        "topTen": report.metrics.per_entity.top10,
        "deployer": _deployer_share(shares, nodes, findings, facts),
        "spread": log10(max(1.0, report.metrics.per_entity.effective_holders)),
        "freshWallets": report.metrics.fresh_wallet_share,
        "suspicions": _sum(shares, (n for each in findings.suspected for n in each.nodes)),
        "verified": (report.quality.balances_verified + report.quality.funding_known) / 2,
    }
    components = tuple(_component(name, values[name]) for name in SCORED) if measured else ()
    total = sum(each.weight * each.score for each in components) / 100
    return TokenScore(
        computed_at=report.computed_at,
        as_of=report.as_of,
        score=round(total) if measured else None,
        rules=RULES,
        components=components,
        limits=report.limits,
    )


def _component(name: Name, value: float) -> TokenScoreComponent:
    rule = SCORED[name]
    reached = (value - rule.worst) / (rule.best - rule.worst)
    return TokenScoreComponent(
        name=name,
        weight=rule.weight,
        value=round(value, 9),
        score=round(100 * min(1.0, max(0.0, reached)), 3),
        why=rule.why.format(share=f"{value:.1%}", holders=f"{10**value:,.0f}"),
    )


def _largest_entity(shares: Shares, findings: Findings) -> float:
    alone = float(shares.max(initial=0.0))
    return min(1.0, max([alone, *(_sum(shares, group.nodes) for group in findings.groups)]))


def _deployer_share(shares: Shares, nodes: Nodes, findings: Findings, facts: ChainFacts) -> float:
    deployer = facts.token.deployer
    node = None if deployer is None else nodes.index.get(deployer)
    if node is None:
        return 0.0
    return _sum(shares, [node, *(n for g in findings.groups if node in g.nodes for n in g.nodes)])


def _sum(shares: Shares, nodes: Iterable[int]) -> float:
    chosen = np.fromiter(set(nodes), np.int64)
    return min(1.0, float(shares[chosen].sum()))
