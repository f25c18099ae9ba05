"""Find the largest transfer behind each link."""

import numpy as np
from numpy.typing import NDArray

from compute.analysis.amounts import Column, Indexes
from compute.analysis.ledger import Ledger, Links, Rows

_SLICE = 1 << 20
_BITS = np.uint64(32)
Keys = NDArray[np.uint64]


def with_largest_rows(ledger: Ledger, links: Links) -> Links:
    """Return the links with the row of the largest transfer from source to target.

    A link without a direct transfer, as through a contract, keeps its row.
    """
    wanted = np.unique(_keys(links.source, links.target))
    rows = _rows_between(ledger, links, wanted)
    if not len(rows):
        return links
    transfers = ledger.transfers
    key = _keys(transfers.sender[rows], transfers.recipient[rows])
    amounts: Column = np.stack([digit[rows] for digit in transfers.digits])
    order = np.lexsort((rows, *(~digit for digit in amounts), key))
    first = np.ones(len(order), bool)
    first[1:] = key[order][1:] != key[order][:-1]
    found, largest = key[order][first], rows[order][first]
    own = _keys(links.source, links.target)
    at = np.minimum(np.searchsorted(found, own), len(found) - 1)
    row = np.where(found[at] == own, largest[at], links.row)
    return Links(links.source, links.target, row, links.share)


def _keys(source: Indexes, target: Indexes) -> Keys:
    return (source.astype(np.uint64) << _BITS) | target


def _rows_between(ledger: Ledger, links: Links, wanted: Keys) -> Rows:
    """Return the rows of the transfers from a source to its target, ascending."""
    transfers = ledger.transfers
    sources, targets = np.zeros((2, len(transfers.addresses)), bool)
    sources[links.source[links.source < len(sources)]] = True
    targets[links.target] = True
    found = [np.empty(0, np.int64)]
    for part in transfers.slices(_SLICE):
        sender, recipient = transfers.sender[part], transfers.recipient[part]
        rows = np.flatnonzero(sources[sender] & targets[recipient])
        rows = rows[np.isin(_keys(sender[rows], recipient[rows]), wanted)]
        found.append(rows + part.start)
    return np.concatenate(found)
