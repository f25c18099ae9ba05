"""The method "first source": which wallets belong together, and by which transactions.

A wallet's first tokens and its first native coins come from whoever set it up. Neither can be
forged against a wallet that has been used: a stranger comes second. Infrastructure (contracts,
labelled exchanges, bridges, pools, burns) and distributors of more wallets than an owner has take
no part.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compute.analysis.components import (
    Edge,
    Groups,
    attached,
    by_group,
    components,
    thin_links,
)
from compute.analysis.labels import DEAD, ZERO, Label, Labels
from compute.analysis.ledger import Ledger, Links
from compute.analysis.parameters import Parameters
from compute.facts import Address, Facts, Funding
from contracts.cluster_report import Confidence, EvidenceType, Kind

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that belong together, and the evidence that says so."""

    nodes: tuple[int, ...]
    edges: tuple[Edge, ...]
    confidence: Confidence
    split: bool = False


@dataclass(frozen=True, slots=True)
class Distributor:
    """Who was first for more wallets than an owner has."""

    node: int
    type: EvidenceType
    recipients: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Everybody who plays a part: the addresses of the transfers, then funders beside them."""

    names: Sequence[Address]
    places: Mapping[Address, int]
    balances: Sequence[int]
    kinds: Sequence[Kind]
    labels: Mapping[int, Label]
    holders_end: int
    """Nodes from here on never had the token: they have funded some who did."""

    def is_person(self, node: int) -> bool:
        return self.kinds[node] == "eoa"


def scene(ledger: Ledger, facts: Facts, labels: Labels) -> Scene:
    names = ledger.transfers.names()
    places = {name: n for n, name in enumerate(names)}
    beside = {f.funder for f in facts.funders.values() if f is not None} - places.keys()
    for name in sorted(beside):
        places[name] = len(names)
        names.append(name)
    balances = [*ledger.balances, *[0] * len(beside)]
    kinds: list[Kind] = ["eoa"] * len(names)
    for name in facts.contracts & places.keys():
        kinds[places[name]] = "contract"
    found = {places[name]: labels.known[name] for name in labels.known.keys() & places.keys()}
    for node, label in found.items():
        kinds[node] = label.kind
    for name in {ZERO, DEAD, facts.token.address} & places.keys():
        kinds[places[name]] = "burn"
    return Scene(names, places, balances, kinds, found, len(ledger.balances))


def grouped(
    stage: Scene, ledger: Ledger, facts: Facts, parameters: Parameters
) -> tuple[list[Group], list[Distributor]]:
    """Groups of at least two holders, and those who distributed to more than they can own."""
    people = np.fromiter((kind == "eoa" for kind in stage.kinds), bool, count=len(stage.kinds))
    sources, hubs_by_source = _capped(ledger.first_sources, people, "firstSource", parameters)
    funders, hubs_by_funder = _funding(stage, facts, parameters)
    sweeps, hubs_by_sweep = _capped(ledger.sweeps, people, "sweep", parameters, hub="target")
    uniting = [*_edges(ledger, sources, "firstSource", _why_source), *funders]
    groups = components(len(stage.names), *_ends(uniting))
    joining = sweeps.where(attached(groups, sweeps.source, sweeps.target))
    edges = [*uniting, *_edges(ledger, joining, "sweep", _why_sweep)]
    groups = components(len(stage.names), *_ends(edges))
    found = []
    for members in by_group(groups, edges).values():
        found += _cut(members, facts, stage, parameters)
    hubs = [*hubs_by_source, *hubs_by_funder, *hubs_by_sweep]
    return [group for group in found if _holders(group, stage) > 1], hubs


def _holders(group: Group, stage: Scene) -> int:
    return sum(stage.balances[node] > 0 for node in group.nodes)


def _capped(
    links: Links,
    people: NDArray[np.bool_],
    kind: EvidenceType,
    parameters: Parameters,
    hub: str = "source",
) -> tuple[Links, list[Distributor]]:
    """Links between people, without those of hubs; the hubs are told apart."""
    links = links.where(people[links.source] & people[links.target])
    centre, rim = (links.source, links.target) if hub == "source" else (links.target, links.source)
    counts = np.bincount(centre, minlength=len(people))
    too_many = counts[centre] > parameters.hub_cap
    hubs = [
        Distributor(int(node), kind, tuple(rim[centre == node].tolist()))
        for node in np.flatnonzero(counts > parameters.hub_cap)
    ]
    return links.where(~too_many), hubs


def _funding(
    stage: Scene, facts: Facts, parameters: Parameters
) -> tuple[list[Edge], list[Distributor]]:
    funded = [
        (stage.places[funding.funder], stage.places[name], funding)
        for name, funding in sorted(facts.funders.items())
        if funding is not None and name in stage.places and funding.funder != name
    ]
    funded = [(a, b, f) for a, b, f in funded if stage.is_person(a) and stage.is_person(b)]
    counts = Counter(source for source, _, _ in funded)
    hubs = [
        Distributor(node, "firstFunder", tuple(b for a, b, _ in funded if a == node))
        for node, count in sorted(counts.items())
        if count > parameters.hub_cap
    ]
    edges = [
        Edge("firstFunder", a, b, f.tx_hash, f.block, "its first native coins")
        for a, b, f in funded
        if counts[a] <= parameters.hub_cap and (counts[a] > 1 or a < stage.holders_end)
    ]  # a purse beside the token that set up one wallet unites it with nobody
    return edges, hubs


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


def _cut(edges: list[Edge], facts: Facts, stage: Scene, parameters: Parameters) -> list[Group]:
    """One group; or, of one that is larger than an owner's, its parts without the thin links."""
    thin = thin_links(edges)
    nodes = {node for edge in edges for node in (edge.source, edge.target)}
    if len(nodes) <= parameters.split_above:
        return [Group(tuple(sorted(nodes)), tuple(edges), _confidence(edges, thin, facts, stage))]
    weak = set(thin)
    kept = [edge for edge in edges if edge not in weak]
    groups: Groups = components(max(nodes) + 1, *_ends(kept))
    return [
        Group(
            tuple(sorted({node for edge in part for node in (edge.source, edge.target)})),
            tuple(part),
            "low",
            split=True,
        )
        for part in by_group(groups, kept).values()
    ]


def _confidence(
    edges: Sequence[Edge], thin: Sequence[Edge], facts: Facts, stage: Scene
) -> Confidence:
    if thin:
        return "low"
    if len({edge.type for edge in edges}) > 1 or _funded_together(edges, facts, stage):
        return "high"
    return "medium"


def _funded_together(edges: Sequence[Edge], facts: Facts, stage: Scene) -> bool:
    """Whether one funder set two of them up within a day."""
    times: dict[int, list[int]] = {}
    for edge in edges:
        funding: Funding | None = facts.funders.get(stage.names[edge.target])
        if edge.type == "firstFunder" and funding is not None:
            times.setdefault(edge.source, []).append(funding.timestamp)
    return any(
        later - earlier <= DAY_SECONDS
        for at in times.values()
        for earlier, later in zip(sorted(at), sorted(at)[1:], strict=False)
    )
