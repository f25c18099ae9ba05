"""Tell a funder who set up wallets in a row from one that serves many people.

An owner funds wallets one after the other. An exchange, a sponsor or a gas station pays many others
between two customers that happen to hold the same token: the numbers of the transactions show it.
A few payments in a row may be chance, if the funder has sent many and never had the token.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from compute.analysis.acts import Acts
from compute.analysis.funded import Funded

_PAUSE: Final = 10
"""Other transactions between two payments from which the later is not in a row with the former."""
_PER_PAYMENT, _ANY = 5, 10
"""Transactions for each payment, and apart from that, among which all of them must be."""
_MOST: Final = 3 / 4
"""Least share of a funder's payments that must be in one row."""
_MANY: Final = 5
"""Wallets from which a row is no chance."""
_HARDLY_USED: Final = 100
"""Transactions up to which every payment of a funder counts."""


def in_a_row(acts: Acts, funded: Iterable[Funded]) -> list[Funded]:
    """Return the payments of funders that paid most of their wallets in a row, those only."""
    row = _in_a_row(funded)
    wallets = Counter(each.funder for each in row)
    return [
        each
        for each in row
        if wallets[each.funder] >= _MANY
        or each.funder < acts.nodes.holders_end
        or acts.facts.nonces.get(acts.nodes.addresses[each.funder], 0) <= _HARDLY_USED
    ]


def _in_a_row(funded: Iterable[Funded]) -> list[Funded]:
    payments: dict[int, dict[str, int]] = defaultdict(dict)
    funded = list(funded)
    for each in funded:
        if each.funding.nonce is not None:
            payments[each.funder][each.funding.tx_hash] = each.funding.nonce
    kept = {
        tx_hash
        for found in payments.values()
        for low, high in [_row(sorted(found.values()))]
        for tx_hash, nonce in found.items()
        if low <= nonce <= high
    }
    return [each for each in funded if each.funding.nonce is None or each.funding.tx_hash in kept]


def _row(nonces: Sequence[int]) -> tuple[int, int]:
    """Return the first and last number of the longest row; (0, -1) if most are in none."""
    rows = [[nonces[0]]]
    for last, nonce in pairwise(nonces):
        if nonce - last > _PAUSE:
            rows.append([])
        rows[-1].append(nonce)
    longest = max(rows, key=len)
    span = longest[-1] - longest[0] + 1
    if len(longest) < _MOST * len(nonces) or span > _PER_PAYMENT * len(longest) + _ANY:
        return 0, -1
    return longest[0], longest[-1]
