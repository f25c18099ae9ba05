"""Tell wallets that were set up for a token from those that have a life of their own.

A payment to a wallet that its owner has used for long may be a gift, a wage or a sale: it shows
no common owner. And who mostly pays such wallets is an employer, a trader or the host of an
airdrop, so that the payments to fresh wallets show none either.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import cache
from typing import Final, TypeVar

import numpy as np

from compute.analysis.acts import Acts
from compute.analysis.ledger import NO_ROW, Links
from compute.analysis.times import DAY_SECONDS, clock_of

_LEAST_ESTABLISHED: Final = 2
"""Established wallets from which the share of them counts."""

T = TypeVar("T")
K = TypeVar("K")


def is_fresh(acts: Acts, node: int) -> bool:
    """Return True if a wallet was set up shortly before its first tokens, or was hardly used.

    False if neither is known.
    """
    parameters = acts.parameters
    if not parameters.own_life_nonce or node in acts.nodes.accounts:
        return True
    nonce = acts.facts.nonces.get(acts.nodes.addresses[node])
    hardly_used = nonce is not None and nonce <= parameters.own_life_nonce
    return hardly_used or _age(acts, node) <= parameters.own_life_days * DAY_SECONDS


def _age(acts: Acts, node: int) -> float:
    """Return the seconds between a wallet's first coins and its first tokens; infinite if unknown.

    The time of a block is estimated from the pinned block and that of the funding.
    """
    funding = acts.facts.funders.get(acts.nodes.addresses[node])
    row = acts.ledger.first_row[node] if node < acts.nodes.holders_end else NO_ROW
    if funding is None or row == NO_ROW:
        return float("inf")
    pinned = acts.facts.pinned
    blocks = max(1, pinned.number - funding.block)
    seconds = (pinned.timestamp - funding.timestamp) / blocks
    return float(int(acts.ledger.transfers.block[row]) - funding.block) * seconds


def blocks_of_set_up(acts: Acts, nodes: Iterable[int]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield wallets and the blocks, first and last, in which they were set up if they are fresh.

    These are the days before their first tokens. Nodes that never had tokens are left out.
    """
    seconds = acts.parameters.own_life_days * DAY_SECONDS
    blocks = clock_of(acts.facts).blocks_in(seconds)
    if not seconds or blocks is None:
        return
    for node in nodes:
        row = acts.ledger.first_row[node] if node < acts.nodes.holders_end else NO_ROW
        if row != NO_ROW:
            last = int(acts.ledger.transfers.block[row])
            yield node, (max(0, last - blocks), last)


def of_one_owner(
    acts: Acts,
    found: Iterable[T],
    centre: Callable[[T], int],
    other: Callable[[T], int],
    act: Callable[[T], object],
) -> tuple[list[T], set[int]]:
    """Return what links fresh wallets only, and the centres that mostly deal with others.

    A transaction that pays several established wallets is a distribution: it links none of those
    that it pays. Nothing that a centre did is evidence if it mostly dealt with established ones.
    """
    fresh = cache(lambda node: is_fresh(acts, node))
    found = list(found)
    judged = [(act(each), fresh(other(each))) for each in found]
    mixed = _mixed(judged, acts.parameters.mixed_share)
    distributions = {(centre(each), act(each)) for each in found if act(each) in mixed}
    found = [each for each in found if act(each) not in mixed]
    dealt = [(centre(each), fresh(other(each))) for each in found]
    dealt += [(node, False) for node, _ in distributions]  # each is one act
    busy = _mixed(dealt, acts.parameters.mixed_payments)
    kept = [each for each in found if centre(each) not in busy and fresh(other(each))]
    return kept, busy


def _mixed(found: Iterable[tuple[K, bool]], share: Fraction) -> set[K]:
    """Return the keys of which at least this share, and at least two, are not fresh."""
    found = list(found)
    count = Counter(key for key, _ in found)
    established = Counter(key for key, is_fresh in found if not is_fresh)
    return {
        each
        for each, number in established.items()
        if number >= _LEAST_ESTABLISHED and number >= share * count[each]
    }


def links_of_one_owner(acts: Acts, links: Links, *, to_target: bool = False) -> Links:
    """Return the links of fresh wallets; the centre is the source, or the target."""
    centres, others = (links.target, links.source) if to_target else (links.source, links.target)
    starts = acts.ledger.transfers.transaction_starts
    numbers = np.searchsorted(starts, links.row, side="right")
    rows = zip(range(len(links)), centres.tolist(), others.tolist(), numbers.tolist(), strict=True)
    kept, _ = of_one_owner(
        acts, rows, lambda row: row[1], lambda row: row[2], lambda row: (row[1], row[3])
    )
    return links.take(np.array([row[0] for row in kept], np.int64))
