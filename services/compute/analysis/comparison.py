"""Compare the transfers with the balances that the token reports."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from compute.analysis.flows import net_changes
from compute.analysis.labels import ZERO
from compute.analysis.ledger import Ledger
from compute.chain_facts import ChainFacts
from compute.contradictions import Contradictions

MOST: Final = 1_000
"""Addresses that are compared range by range: what one call reads."""


def contradictions_in(ledger: Ledger, facts: ChainFacts, ends: Sequence[int]) -> Contradictions:
    """Return whose transfers do not add up, and what they change in each range of blocks.

    `ends` are the last blocks of the ranges. What the zero address has says nothing: tokens count
    burned amounts in different ways.
    """
    asked = [name for name, each in facts.balances.items() if each is not None and name != ZERO]
    nodes = ledger.addresses.numbers(asked)
    known = [node for node in nodes if node is not None]
    logged = dict(zip(known, ledger.balances.of_nodes(known), strict=True))
    differences = {
        name: abs((facts.balances[name] or 0) - (0 if node is None else logged[node]))
        for name, node in zip(asked, nodes, strict=True)
    }
    largest = sorted(filter(differences.__getitem__, differences), key=lambda n: -differences[n])
    chosen = largest[:MOST]
    return Contradictions(tuple(chosen), _changes(ledger, chosen, ends) if chosen else ())


def _changes(
    ledger: Ledger, chosen: Sequence[str], ends: Sequence[int]
) -> tuple[tuple[int, ...], ...]:
    """Return the changes of these addresses by range; addresses without transfers have none."""
    nodes = ledger.addresses.numbers(chosen)
    places = [place for place, node in enumerate(nodes) if node is not None]
    known = [node for node in nodes if node is not None]
    blocks = ledger.transfers.block
    rows = [0, *np.searchsorted(blocks, np.asarray(ends, np.uint64), side="right").tolist()]
    changes = []
    for begin, end in pairwise(rows):
        row = [0] * len(chosen)
        for place, change in zip(places, net_changes(known, ledger, begin, end), strict=True):
            row[place] = change
        changes.append(tuple(row))
    return tuple(changes)
