"""Attribute what a contract passes on within one transaction to the address that paid it."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from compute.analysis.amounts import Column, Grouping, Indexes
from compute.analysis.ledger import Ledger, Links
from compute.transfers import Transfers

MAX_CONTRACTS: Final = 4
"""Contracts in a row that an amount is followed through."""


def passed_on(ledger: Ledger, links: Links) -> Links:
    """Return first sources with the payer as source, where the source passed on a payment."""
    transfers = ledger.transfers
    rows = _rows_of_transactions(transfers, links.row)
    if not len(rows):
        return links
    number = np.searchsorted(transfers.transaction_starts, rows, side="right")
    amounts = np.stack([digit[rows] for digit in transfers.digits]).astype(np.uint64)
    found = origins(number, transfers.sender[rows], transfers.recipient[rows], amounts)
    return replace(links, source=found[np.searchsorted(rows, links.row)])


def _rows_of_transactions(transfers: Transfers, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return all rows of the transactions of these rows, ascending."""
    starts = np.append(transfers.transaction_starts, len(transfers))
    number = np.unique(np.searchsorted(starts, rows, side="right") - 1)
    lengths = starts[number + 1] - starts[number]
    before = np.cumsum(lengths) - lengths
    found: NDArray[np.int64] = np.repeat(starts[number] - before, lengths)
    return found + np.arange(len(found))


def origins(
    number: NDArray[np.int64], sender: Indexes, recipient: Indexes, amount: Column
) -> Indexes:
    """Return for each transfer the address that its tokens come from within its transaction.

    That is the sender, unless the sender received in the same transaction, from a single address,
    exactly as much as it sent: then it is that address, as with contracts that pay many wallets
    for a payer, and routers between a pool and a buyer.

    Args:
        number: (n,) numbers of the transactions.
        sender: (n,) address numbers.
        recipient: (n,) address numbers.
        amount: (digits, n) amounts, each digit with 64 bits.
    """
    wide = np.uint64(1 + max(int(sender.max()), int(recipient.max())))
    base = number.astype(np.uint64) * wide
    through = _pass_through(base + sender, base + recipient, sender, amount)
    origin = sender
    for _ in range(MAX_CONTRACTS):
        payer, passed = through.payer_of(base + origin)
        passed &= payer != recipient  # what is returned to the payer stays the contract's
        if not passed.any():
            break
        origin = np.where(passed, payer, origin).astype(np.uint32)
    return origin


@dataclass(frozen=True, slots=True, eq=False)
class _PassThrough:
    """Hold who paid each address that passed on all it received, by transaction and address."""

    keys: NDArray[np.uint64]
    """Ascending."""
    payers: Indexes

    def payer_of(self, keys: NDArray[np.uint64]) -> tuple[Indexes, NDArray[np.bool_]]:
        """Return the payer by key, and whether there is one."""
        if not len(self.keys):
            return np.zeros(len(keys), np.uint32), np.zeros(len(keys), bool)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return self.payers[at], np.asarray(self.keys[at] == keys, bool)


def _pass_through(
    out_keys: NDArray[np.uint64], in_keys: NDArray[np.uint64], payer: Indexes, amount: Column
) -> _PassThrough:
    both = np.intersect1d(out_keys, in_keys)
    going, coming = np.isin(out_keys, both), np.isin(in_keys, both)
    sent, received = Grouping.by(out_keys[going]), Grouping.by(in_keys[coming])
    equal = _equal(sent.sums(amount[:, going]), received.sums(amount[:, coming]))
    payers = payer[coming]
    ordered: Any = payers[received.order]
    if not len(both):
        return _PassThrough(both, payers)
    single = np.minimum.reduceat(ordered, received.starts) == np.maximum.reduceat(
        ordered, received.starts
    )
    kept = equal & single
    return _PassThrough(both[kept], payers[received.first][kept])


def _equal(left: Column, right: Column) -> NDArray[np.bool_]:
    digits = max(len(left), len(right))
    padded = [np.pad(each, ((0, digits - len(each)), (0, 0))) for each in (left, right)]
    return np.asarray((padded[0] == padded[1]).all(axis=0), bool)
