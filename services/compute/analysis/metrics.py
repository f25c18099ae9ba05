"""Measure how unevenly a token is held, and how reliable the report is."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from compute.analysis.concentration import Shares, concentration
from compute.analysis.findings import Group
from compute.analysis.holdings import Holdings
from compute.analysis.labels import ZERO
from compute.analysis.ledger import Ledger
from compute.analysis.nodes import Nodes
from compute.chain_facts import ChainFacts
from contracts.cluster_report import Cluster, Metrics, Quality

WEEK_SECONDS: Final = 7 * 86_400


def metrics_of(
    nodes: Nodes,
    holdings: Holdings,
    facts: ChainFacts,
    groups: Sequence[Group],
    clusters: Sequence[Cluster],
) -> Metrics:
    """Measure concentration per address and per entity; a wallet in no cluster is an entity."""
    shares = wallet_shares(holdings)
    entity = np.arange(len(shares))
    for group in groups:
        entity[list(group.nodes)] = group.nodes[0]
    fresh = float(shares[_fresh_wallets(nodes, facts)].sum())
    return Metrics(
        per_address=concentration(shares),
        per_entity=concentration(_sums(entity, shares)),
        largest_cluster_share=max((c.share for c in clusters), default=0.0),
        deployer_cluster_share=max((c.share for c in clusters if c.label == "deployer"), default=0),
        fresh_wallet_share=min(1.0, fresh),
    )


def _sums(entity: NDArray[np.int64], shares: Shares) -> Shares:
    return np.asarray(np.bincount(entity, shares), np.float64)


def wallet_shares(holdings: Holdings) -> Shares:
    """Return each node's share of the circulating supply; 0 if it is not a personal account."""
    held = np.where(holdings.wallets, holdings.balances.floats(), 0.0)
    return held / max(1.0, float(holdings.circulating))


def _fresh_wallets(nodes: Nodes, facts: ChainFacts) -> list[int]:
    """Return the wallets that were first funded in the last week."""
    since = facts.pinned.timestamp - WEEK_SECONDS
    return [
        nodes.index[address]
        for address, funding in facts.funders.items()
        if funding is not None and funding.timestamp > since and address in nodes.index
    ]


def quality_of(ledger: Ledger, holdings: Holdings, facts: ChainFacts) -> Quality:
    """Compare the transfers with the values that the token contract reports."""
    known = sum(funding is not None for funding in facts.funders.values())
    mismatches = _mismatches(ledger, holdings, facts)
    return Quality(
        balances_verified=not mismatches,
        funding_known=known / len(facts.funders) if facts.funders else 0.0,
        logs=len(ledger.transfers),
        warnings=tuple(dict.fromkeys((*facts.warnings, *mismatches))),
    )


def _mismatches(ledger: Ledger, holdings: Holdings, facts: ChainFacts) -> list[str]:
    """Return the codes of the ways in which the transfers contradict the token."""
    warnings = []
    zero = ledger.index_of(ZERO)
    burned = 0 if zero is None else ledger.received_by(zero)
    if facts.token.total_supply not in (ledger.supply, ledger.supply + burned):
        warnings.append("supply_differs_from_transfers")
    if holdings.differing or holdings.incredible:
        warnings.append("balances_differ_from_transfers")
    overdrawn = np.flatnonzero(ledger.balances.negative)
    if len(overdrawn[overdrawn != (-1 if zero is None else zero)]):
        warnings.append("negative_balances")
    return warnings
