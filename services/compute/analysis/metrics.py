"""Measure how unevenly a token is held, and how reliable the report is."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from compute.analysis.concentration import concentration
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
    circulating = holdings.circulating
    shares = {n: holdings.balances[n] / circulating for n in holdings.wallets()}
    group_of = {n: number for number, group in enumerate(groups) for n in group.nodes}
    entities: dict[int, float] = {}
    for node, share in shares.items():
        entity = group_of.get(node, -1 - node)
        entities[entity] = entities.get(entity, 0.0) + share
    fresh = sum(shares.get(n, 0.0) for n in _fresh_wallets(nodes, facts))
    return Metrics(
        per_address=concentration(np.fromiter(shares.values(), float)),
        per_entity=concentration(np.fromiter(entities.values(), float)),
        largest_cluster_share=max((c.share for c in clusters), default=0.0),
        deployer_cluster_share=sum(c.share for c in clusters if c.label == "deployer"),
        fresh_wallet_share=min(1.0, fresh),
    )


def _fresh_wallets(nodes: Nodes, facts: ChainFacts) -> list[int]:
    """Return the wallets that were first funded in the last week."""
    since = facts.pinned.timestamp - WEEK_SECONDS
    return [
        nodes.index[address]
        for address, funding in facts.funders.items()
        if funding is not None and funding.timestamp > since and address in nodes.index
    ]


def quality_of(nodes: Nodes, ledger: Ledger, holdings: Holdings, facts: ChainFacts) -> Quality:
    """Compare the transfers with the values that the token contract reports."""
    known = sum(funding is not None for funding in facts.funders.values())
    mismatches = _mismatches(nodes, ledger, holdings, facts)
    return Quality(
        balances_verified=not mismatches,
        funding_known=known / len(facts.funders) if facts.funders else 0.0,
        logs=len(ledger.transfers),
        warnings=tuple(dict.fromkeys((*facts.warnings, *mismatches))),
    )


def _mismatches(nodes: Nodes, ledger: Ledger, holdings: Holdings, facts: ChainFacts) -> list[str]:
    """Return the codes of the ways in which the transfers contradict the token."""
    warnings = []
    zero = ledger.index_of(ZERO)
    burned = 0 if zero is None else ledger.received_by(zero)
    if facts.token.total_supply not in (ledger.supply, ledger.supply + burned):
        warnings.append("supply_differs_from_transfers")
    if holdings.differing or holdings.incredible:
        warnings.append("balances_differ_from_transfers")
    if any(balance < 0 for n, balance in enumerate(nodes.balances) if n != zero):
        warnings.append("negative_balances")
    return warnings
