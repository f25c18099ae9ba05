"""Find wallets that send what they have to one address, tokens or native coins."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

import numpy as np

from compute.analysis.acts import Acts
from compute.analysis.amounts import Indexes, Mask, floats
from compute.analysis.graph import Edge, Groups
from compute.analysis.ledger import Links
from compute.analysis.lives import is_fresh, of_one_owner
from compute.chain_facts import Sweep

_REMAINING: Final = 10
"""A payment that left less than a tenth of itself emptied the account."""
_MOVED: Final = 0.5
"""Share of what a wallet ever received that a sweep moves; a smaller one is a payment."""
_COLLECTED: Final = 3
"""Wallets from which an address collects, rather than being paid."""


def collections(acts: Acts, sweeps: Links) -> Links:
    """Return the sweeps to fresh wallets, and to others that collect from several wallets.

    A wallet that sends most of its tokens to a person who has used theirs for long pays for
    something, as far as anyone can see; so does one that keeps most of what it received.
    """
    sent, received = floats(acts.ledger.sent), floats(acts.ledger.received)
    moved = sent[sweeps.source] * sweeps.share
    sweeps = sweeps.where(moved >= _MOVED * received[sweeps.source])
    counts = np.bincount(sweeps.target, minlength=len(acts.nodes.addresses))
    targets = np.unique(sweeps.target).tolist()
    fresh = [node for node in targets if counts[node] >= _COLLECTED or is_fresh(acts, node)]
    return sweeps.where(np.isin(sweeps.target, np.array(fresh, np.uint32)))


def most_of_group(acts: Acts, groups: Groups, sources: Indexes) -> Mask:
    """Return which sweeps come from a group of which at least half of the holders sweep.

    That one of several wallets sells to a wallet of another group joins no groups.
    """
    holding = acts.nodes.wallets[: len(acts.ledger.balances)] & acts.ledger.balances.positive
    count = int(groups.max(initial=0)) + 1
    holders = np.bincount(groups[np.flatnonzero(holding)], minlength=count)
    sweeping = np.bincount(groups[np.unique(sources)], minlength=count)
    return np.asarray((2 * sweeping >= holders)[groups[sources]], bool)


def native_candidates(acts: Acts) -> Iterator[tuple[int, int, Sweep]]:
    """Yield wallets that sent all their native coins to a wallet that others sent theirs to."""
    found: dict[int, list[tuple[int, Sweep]]] = defaultdict(list)
    nodes = acts.nodes
    if not acts.parameters.native_sweeps_of:
        return
    for address, sweep in sorted(acts.facts.sweeps.items()):
        node = nodes.index.get(address)
        if sweep is None or node is None or sweep.remaining * _REMAINING > sweep.value:
            continue
        target = nodes.index[sweep.recipient]
        if target != node and nodes.is_wallet(node) and nodes.is_wallet(target):
            found[target].append((node, sweep))
    for target, sources in sorted(found.items()):
        if 1 < len(sources) <= acts.parameters.hub_cap:
            yield from ((node, target, sweep) for node, sweep in sources)


def native_sweeps(acts: Acts) -> list[tuple[int, int, Sweep]]:
    """Return the native sweeps that are evidence: by fresh wallets, to a fresh one.

    A wallet that has been used for long may be a seller whom its customers pay.
    """
    known = [
        each
        for each in native_candidates(acts)
        if acts.is_known_person(each[1]) and is_fresh(acts, each[1])
    ]
    kept, _ = of_one_owner(
        acts, known, lambda each: each[1], lambda each: each[0], lambda each: each[2].tx_hash
    )
    several = Counter(target for _, target, _ in kept)
    return [each for each in kept if several[each[1]] > 1]


def native_sweep_edges(acts: Acts) -> list[Edge]:
    """Return the edges of native sweeps."""
    return [
        Edge(
            "nativeSweep", node, target, sweep.tx_hash, sweep.block,
            "its last native coins went where others sent theirs",
        )
        for node, target, sweep in native_sweeps(acts)
    ]  # fmt: skip
