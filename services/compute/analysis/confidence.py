"""Rate how well the evidence holds a group together."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from compute.analysis.graph import Edge, components
from compute.analysis.nodes import Nodes
from compute.chain_facts import ChainFacts
from contracts.cluster_report import Confidence

DAY_SECONDS: Final = 86_400
_DEDICATED: Final = 20
"""Transactions beyond those that funded wallets that a dedicated funder may have sent."""
_LEAST_FUNDED: Final = 3


def confidence_of(
    edges: Sequence[Edge], bridges: Sequence[Edge], facts: ChainFacts, nodes: Nodes
) -> Confidence:
    """Rate a group: high if two kinds of evidence hold all of it, each without the other.

    A funder who did little else but fund all of it within a day counts as much. Low if the group
    would fall apart without a single one of its links.
    """
    if bridges:
        return "low"
    if held_by_two_kinds(edges, nodes) or _funded_within_a_day(edges, facts, nodes):
        return "high"
    return "medium"


def held_by_two_kinds(edges: Sequence[Edge], nodes: Nodes) -> bool:
    """Return True if the holders stay together without any one kind of evidence."""
    kinds = {edge.type for edge in edges}
    holders = [node for node in _ends(edges) if nodes.balances[node] > 0]
    return len(kinds) > 1 and all(
        _together(holders, [edge for edge in edges if edge.type != kind]) for kind in kinds
    )


def _together(holders: Sequence[int], edges: Sequence[Edge]) -> bool:
    count = 1 + max((*holders, *_ends(edges)))
    source = np.fromiter((edge.source for edge in edges), np.uint32, count=len(edges))
    target = np.fromiter((edge.target for edge in edges), np.uint32, count=len(edges))
    groups = components(count, source, target)
    return len({int(groups[node]) for node in holders}) == 1


def _ends(edges: Sequence[Edge]) -> set[int]:
    return {node for edge in edges for node in (edge.source, edge.target)}


def _funded_within_a_day(edges: Sequence[Edge], facts: ChainFacts, nodes: Nodes) -> bool:
    """Return True if one funder, who did little else, set up all the holders within a day."""
    times: dict[int, dict[int, int]] = defaultdict(dict)
    for edge in edges:
        funding = facts.funders.get(nodes.addresses[edge.target])
        if edge.type == "firstFunder" and not edge.via and funding is not None:
            times[edge.source][edge.target] = funding.timestamp
    holders = {node for node in _ends(edges) if nodes.balances[node] > 0}
    return any(
        holders <= {funder, *funded}
        and len(funded) >= _LEAST_FUNDED
        and max(funded.values()) - min(funded.values()) <= DAY_SECONDS
        and _is_dedicated(funder, len(funded), facts, nodes)
        for funder, funded in times.items()
    )


def _is_dedicated(funder: int, funded: int, facts: ChainFacts, nodes: Nodes) -> bool:
    nonce = facts.nonces.get(nodes.addresses[funder])
    return nonce is not None and nonce <= 2 * funded + _DEDICATED
