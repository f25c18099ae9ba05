"""List addresses that were first for more wallets than one owner has."""

from collections import defaultdict
from typing import Literal

import numpy as np

from compute.analysis.acts import Acts
from compute.analysis.findings import Distributor
from compute.analysis.kinds import are
from compute.analysis.ledger import Links
from contracts.cluster_report import EvidenceType


def distributors_of(acts: Acts) -> list[Distributor]:
    """Return the wallets that were first for more wallets than one owner has, or collected."""
    parameters = acts.parameters
    return [
        *_distributors(acts, acts.first_sources, "firstSource", "source", parameters.hub_cap),
        *_funders(acts),
        *_distributors(acts, acts.ledger.sweeps, "sweep", "target", parameters.sweep_sources),
    ]


def distributing_rows(acts: Acts) -> list[int]:
    """Return the row of one payment of each distributor of tokens: did it act?"""
    links = _between_persons(acts, acts.first_sources)
    counts = np.bincount(links.source, minlength=len(acts.nodes.addresses))
    many = links.where(counts[links.source] > acts.parameters.hub_cap)
    _, first = np.unique(many.source, return_index=True)
    rows: list[int] = many.row[first].tolist()
    return rows


def _between_persons(acts: Acts, links: Links) -> Links:
    personal = are(acts.nodes.kinds, "eoa")
    return links.where(personal[links.source] & personal[links.target])


def _distributors(
    acts: Acts, links: Links, kind: EvidenceType, centre: Literal["source", "target"], cap: int
) -> list[Distributor]:
    links = _between_persons(acts, links)
    centres, others = (
        (links.source, links.target) if centre == "source" else (links.target, links.source)
    )
    counts = np.bincount(centres, minlength=len(acts.nodes.addresses))
    spoofed = _spoofed(acts) if centre == "source" else frozenset()
    return [
        Distributor(int(node), kind, tuple(others[centres == node].tolist()))
        for node in np.flatnonzero(counts > cap)
        if int(node) not in spoofed
    ]


def _spoofed(acts: Acts) -> frozenset[int]:
    """Return the distributors of tokens who did not sign what they are said to have paid."""
    if not acts.parameters.sender_acted:
        return frozenset()
    links, hashes = acts.first_sources, acts.ledger.transfers.tx_hash
    checked = links.where(np.isin(links.row, np.array(distributing_rows(acts), np.int64)))
    pairs = zip(checked.source.tolist(), map(hashes, checked.row.tolist()), strict=True)
    return frozenset(
        node
        for node, tx_hash in pairs
        if acts.facts.transactions.get(tx_hash) is not None and not acts.acted(node, tx_hash)
    )


def _funders(acts: Acts) -> list[Distributor]:
    nodes = acts.nodes
    funded: dict[int, list[int]] = defaultdict(list)
    for address, funding in sorted(acts.facts.funders.items()):
        if funding is not None and address in nodes.index:
            funded[nodes.index[funding.funder]].append(nodes.index[address])
    return [
        Distributor(node, "firstFunder", tuple(found))
        for node, found in sorted(funded.items())
        if len(found) > acts.parameters.hub_cap and nodes.kinds[node] == "eoa"
    ]
