"""Apply the method "first source": which wallets belong together, and by which transactions.

A wallet's first tokens and first native coins come from the person who set it up. Neither can be
forged for a wallet that is already in use, since a stranger's payment comes second. Infrastructure
(contracts, labelled exchanges, bridges, pools, burns) takes no part, nor do distributors: addresses
that were first for more wallets than one owner has.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from compute.analysis.findings import Distributor, Group
from compute.analysis.graph import (
    Edge,
    Groups,
    attaching,
    by_group,
    components,
    splitting_bridges,
)
from compute.analysis.ledger import Ledger, Links
from compute.analysis.nodes import Nodes
from compute.analysis.parameters import Parameters
from compute.chain_facts import ChainFacts, Funding
from contracts.cluster_report import Confidence, EvidenceType

DAY_SECONDS: Final = 86_400


def find_groups(
    nodes: Nodes, ledger: Ledger, facts: ChainFacts, parameters: Parameters
) -> tuple[list[Group], list[Distributor]]:
    """Find the groups with at least two current holders, and the distributors."""
    wallets = np.fromiter((kind == "eoa" for kind in nodes.kinds), bool, count=len(nodes.kinds))
    sources, by_source = _without_distributors(
        ledger.first_sources, wallets, "firstSource", parameters
    )
    funders, by_funder = _funding(nodes, facts, parameters)
    sweeps, by_sweep = _without_distributors(
        ledger.sweeps, wallets, "sweep", parameters, centre="target"
    )
    uniting = [*_edges(ledger, sources, "firstSource", _why_source), *funders]
    groups = components(len(nodes.addresses), *_ends(uniting))
    attached = sweeps.where(attaching(groups, sweeps.source, sweeps.target))
    edges = [*uniting, *_edges(ledger, attached, "sweep", _why_sweep)]
    groups = components(len(nodes.addresses), *_ends(edges))
    found = [
        group
        for component in by_group(groups, edges).values()
        for group in _groups_in(component, facts, nodes, parameters)
    ]
    distributors = [*by_source, *by_funder, *by_sweep]
    return [group for group in found if _holders(group, nodes) > 1], distributors


def _holders(group: Group, nodes: Nodes) -> int:
    return sum(nodes.balances[node] > 0 for node in group.nodes)


def _without_distributors(
    links: Links,
    wallets: NDArray[np.bool_],
    kind: EvidenceType,
    parameters: Parameters,
    centre: Literal["source", "target"] = "source",
) -> tuple[Links, list[Distributor]]:
    """Return the links between wallets without those of distributors, and the distributors."""
    links = links.where(wallets[links.source] & wallets[links.target])
    centres, others = (
        (links.source, links.target) if centre == "source" else (links.target, links.source)
    )
    counts = np.bincount(centres, minlength=len(wallets))
    distributors = [
        Distributor(int(node), kind, tuple(others[centres == node].tolist()))
        for node in np.flatnonzero(counts > parameters.hub_cap)
    ]
    return links.where(counts[centres] <= parameters.hub_cap), distributors


def _funding(
    nodes: Nodes, facts: ChainFacts, parameters: Parameters
) -> tuple[list[Edge], list[Distributor]]:
    """Return the edges from wallets to the wallets that they funded first, and distributors."""
    funded = [
        (nodes.index[funding.funder], nodes.index[address], funding)
        for address, funding in sorted(facts.funders.items())
        if funding is not None and address in nodes.index and funding.funder != address
    ]
    funded = [(a, b, f) for a, b, f in funded if nodes.is_wallet(a) and nodes.is_wallet(b)]
    counts = Counter(source for source, _, _ in funded)
    distributors = [
        Distributor(node, "firstFunder", tuple(b for a, b, _ in funded if a == node))
        for node, count in sorted(counts.items())
        if count > parameters.hub_cap
    ]
    edges = [
        Edge("firstFunder", a, b, f.tx_hash, f.block, "its first native coins")
        for a, b, f in funded
        if counts[a] <= parameters.hub_cap and (counts[a] > 1 or a < nodes.holders_end)
    ]  # a funder that never held the token and funded one wallet unites it with no other
    return edges, distributors


def _edges(
    ledger: Ledger, links: Links, kind: EvidenceType, why: Callable[[float], str]
) -> list[Edge]:
    transfers = ledger.transfers
    rows = zip(
        links.source.tolist(), links.target.tolist(), links.row.tolist(), links.share.tolist(),
        strict=True,
    )  # fmt: skip
    return [
        Edge(kind, a, b, transfers.tx_hash(row), int(transfers.block[row]), why(share))
        for a, b, row, share in rows
    ]


def _why_source(share: float) -> str:
    return f"its first tokens; {share:.1%} of all it received came from there"


def _why_sweep(share: float) -> str:
    return f"{share:.1%} of all it ever sent went there"


def _ends(edges: Sequence[Edge]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    return (
        np.fromiter((edge.source for edge in edges), np.uint32, count=len(edges)),
        np.fromiter((edge.target for edge in edges), np.uint32, count=len(edges)),
    )


def _groups_in(
    edges: list[Edge], facts: ChainFacts, nodes: Nodes, parameters: Parameters
) -> list[Group]:
    """Return a component as one group; cut one that is too large for one owner at its bridges."""
    bridges = splitting_bridges(edges)
    members = _members(edges)
    if len(members) <= parameters.split_above:
        return [Group(members, tuple(edges), _confidence(edges, bridges, facts, nodes))]
    cut = set(bridges)
    kept = [edge for edge in edges if edge not in cut]
    groups: Groups = components(max(members) + 1, *_ends(kept))
    parts = by_group(groups, kept).values()
    return [Group(_members(part), tuple(part), "low", split=True) for part in parts]


def _members(edges: Sequence[Edge]) -> tuple[int, ...]:
    return tuple(sorted({node for edge in edges for node in (edge.source, edge.target)}))


def _confidence(
    edges: Sequence[Edge], bridges: Sequence[Edge], facts: ChainFacts, nodes: Nodes
) -> Confidence:
    if bridges:
        return "low"
    if len({edge.type for edge in edges}) > 1 or _funded_within_a_day(edges, facts, nodes):
        return "high"
    return "medium"


def _funded_within_a_day(edges: Sequence[Edge], facts: ChainFacts, nodes: Nodes) -> bool:
    """Return True if one funder set up two of the wallets within a day."""
    times: dict[int, list[int]] = {}
    for edge in edges:
        funding: Funding | None = facts.funders.get(nodes.addresses[edge.target])
        if edge.type == "firstFunder" and funding is not None:
            times.setdefault(edge.source, []).append(funding.timestamp)
    return any(
        later - earlier <= DAY_SECONDS
        for timestamps in times.values()
        for earlier, later in pairwise(sorted(timestamps))
    )
