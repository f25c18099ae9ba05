"""Apply the method "first source": which wallets belong together, and by which transactions.

A wallet's first tokens and first native coins come from the person who set it up. Neither can be
forged for a wallet that is already in use, since a stranger's payment comes second; and a payment
counts only if its sender acted. Infrastructure (contracts, labelled exchanges, bridges, pools,
burns) takes no part, nor do services, recognised by what they did, nor distributors: addresses
that were first for more wallets than one owner has.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from compute.analysis.acts import Acts
from compute.analysis.bundles import bundles
from compute.analysis.confidence import confidence_of
from compute.analysis.creation import creation_links
from compute.analysis.distributors import distributors_of
from compute.analysis.findings import ExcludedNode, Findings, Group
from compute.analysis.funding import funding_edges
from compute.analysis.graph import (
    Edge,
    Groups,
    attaching,
    by_group,
    components,
    splitting_bridges,
)
from compute.analysis.largest import with_largest_rows
from compute.analysis.ledger import Ledger, Links
from compute.analysis.limits import limits_of
from compute.analysis.lives import links_of_one_owner
from compute.analysis.nodes import Nodes
from compute.analysis.parameters import Parameters
from compute.analysis.suspicions import suspicions_of
from compute.analysis.sweeping import collections, most_of_group, native_sweep_edges
from compute.chain_facts import ChainFacts
from contracts.cluster_report import EvidenceType


def find(nodes: Nodes, ledger: Ledger, facts: ChainFacts, parameters: Parameters) -> Findings:
    """Find the groups with at least two current holders, and what is suspected or unknown."""
    acts = Acts(nodes, ledger, facts, parameters)
    uniting = uniting_edges(acts)
    groups = components(len(nodes.addresses), *_ends(uniting))
    attached = _sweep_edges(acts, groups) + _native_edges(acts, groups)
    edges = [*uniting, *attached]
    groups = components(len(nodes.addresses), *_ends(edges))
    found = [
        group
        for component in by_group(groups, edges).values()
        for group in _groups_in(component, facts, nodes, parameters)
    ]
    kept = [group for group in found if _holders(group, nodes) > 1]
    excluded = [
        ExcludedNode(node, reason.basis, reason.why)
        for node, reason in sorted(nodes.reasons.items())
    ]
    return Findings(
        kept, distributors_of(acts), suspicions_of(acts, kept), excluded, limits_of(acts, kept)
    )


def uniting_edges(acts: Acts) -> list[Edge]:
    """Return the edges that unite wallets: first sources, creation, bundles, first funders."""
    ledger = acts.ledger
    sources = acted_sources(acts, known_sources(acts, linked_sources(acts)))
    created = _capped(creation_links(acts), acts)
    return [
        *_edges(acts, links_of_one_owner(acts, sources), "firstSource", _why_source),
        *_edges(acts, links_of_one_owner(acts, created), "creation", _why_creation),
        *(
            Edge(
                "bundle", signer, target, bundle.tx_hash, int(ledger.transfers.block[row]),
                f"its first tokens, bought with those of {len(bundle.targets) - 1} others "
                "in one transaction",
            )
            for signer, bundle in bundles(acts)
            for row, target in zip(bundle.rows, bundle.targets, strict=True)
            if signer != target
        ),
        *funding_edges(acts),
    ]  # fmt: skip


def linked_sources(acts: Acts) -> Links:
    """Return the first sources between wallets, without distributors."""
    counts = np.bincount(acts.first_sources.source, minlength=len(acts.nodes.addresses))
    links = between_wallets(acts.first_sources, acts.nodes)
    return links.where(counts[links.source] <= acts.parameters.hub_cap)


def acted_sources(acts: Acts, links: Links) -> Links:
    """Return the first sources of which the first and the largest transfer are the source's."""
    links = acts.directly(acts.by_source(links), several=True)
    largest = acts.by_source(with_largest_rows(acts.ledger, links))
    return links.where(np.isin(links.target, largest.target))


def linked_sweeps(acts: Acts) -> Links:
    """Return the sweeps between wallets, each with its largest transfer, without distributors."""
    links = between_wallets(acts.ledger.sweeps, acts.nodes)
    counts = np.bincount(links.target, minlength=len(acts.nodes.addresses))
    links = links.where(counts[links.target] <= acts.parameters.sweep_sources)
    return with_largest_rows(acts.ledger, links)


def between_wallets(links: Links, nodes: Nodes) -> Links:
    """Return the links between personal wallets that are no services."""
    wallets = nodes.wallets
    return links.where(wallets[links.source] & wallets[links.target])


def known_sources(acts: Acts, links: Links) -> Links:
    """Return the links whose source is known to be no service."""
    known = {node: acts.is_known_person(node) for node in np.unique(links.source).tolist()}
    return links.where(
        np.fromiter((known[node] for node in links.source.tolist()), bool, count=len(links))
    )


def _capped(links: Links, acts: Acts) -> Links:
    counts = np.bincount(links.source, minlength=len(acts.nodes.addresses))
    return links.where(counts[links.source] <= acts.parameters.hub_cap)


def _sweep_edges(acts: Acts, groups: Groups) -> list[Edge]:
    """Return the sweeps of tokens that attach a component to the only one that it sweeps to."""
    sweeps = acts.directly(acts.by_source(linked_sweeps(acts)))
    known = {node: acts.is_known_person(node) for node in np.unique(sweeps.target).tolist()}
    sweeps = sweeps.where(
        np.fromiter((known[node] for node in sweeps.target.tolist()), bool, count=len(sweeps))
    )
    sweeps = links_of_one_owner(acts, sweeps, to_target=True)
    sweeps = collections(acts, sweeps)
    joins = attaching(groups, sweeps.source, sweeps.target)
    attached = sweeps.where(joins & most_of_group(acts, groups, sweeps.source))
    return _edges(acts, attached, "sweep", _why_sweep)


def _native_edges(acts: Acts, groups: Groups) -> list[Edge]:
    """Return the sweeps of native coins that attach a component, as those of tokens."""
    edges = native_sweep_edges(acts)
    sources, targets = _ends(edges)
    kept = attaching(groups, sources, targets) & most_of_group(acts, groups, sources)
    inside = [groups[edge.source] == groups[edge.target] for edge in edges]
    return [
        edge for edge, joins, within in zip(edges, kept, inside, strict=True) if joins or within
    ]


def _holders(group: Group, nodes: Nodes) -> int:
    return sum(nodes.balances[node] > 0 for node in group.nodes)


def _edges(acts: Acts, links: Links, kind: EvidenceType, why: Callable[[float], str]) -> list[Edge]:
    transfers = acts.ledger.transfers
    rows = zip(
        links.source.tolist(), links.target.tolist(), links.row.tolist(), links.share.tolist(),
        strict=True,
    )  # fmt: skip
    return [
        Edge(
            kind, a, b, transfers.tx_hash(row), int(transfers.block[row]), why(share),
            via=_via(acts, a, row, kind),
        )
        for a, b, row, share in rows
    ]  # fmt: skip


def _via(acts: Acts, source: int, row: int, kind: EvidenceType) -> tuple[int, ...]:
    """Return the contract that passed on a first payment, if one did."""
    sender = int(acts.ledger.transfers.sender[row])
    return (sender,) if kind == "firstSource" and sender != source else ()


def _why_source(share: float) -> str:
    return f"its first tokens; {share:.1%} of all it received came from there"


def _why_creation(share: float) -> str:
    return f"minted as the token was created; {share:.1%} of all it received"


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
        return [Group(members, tuple(edges), confidence_of(edges, bridges, facts, nodes))]
    cut = set(bridges)
    kept = [edge for edge in edges if edge not in cut]
    groups: Groups = components(max(members) + 1, *_ends(kept))
    parts = by_group(groups, kept).values()
    return [Group(_members(part), tuple(part), "low", split=True) for part in parts]


def _members(edges: Sequence[Edge]) -> tuple[int, ...]:
    return tuple(sorted({node for edge in edges for node in (edge.source, edge.target)}))
