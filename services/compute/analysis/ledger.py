"""Replay transfers into the received and sent amounts, balance and first source of each address."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from compute.addresses import AddressBook
from compute.analysis.amounts import (
    Column,
    Indexes,
    Mask,
    add_at,
    at_least,
    compact,
    floats,
    more_than,
    normalize,
    reaches,
)
from compute.analysis.balances import Balances
from compute.analysis.labels import ZERO
from compute.analysis.pairs import Pairs, pairs_of
from compute.analysis.parameters import Parameters
from compute.transfers import Transfers

Rows = NDArray[np.int64]
NO_ROW: Final = np.uint32(2**32 - 1)
"""First row of an address that received nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """Link pairs of addresses, each with the transfer that is the evidence."""

    source: Indexes
    target: Indexes
    row: Rows
    """Row number of the transfer."""
    share: NDArray[np.float64]
    """Share of all the target received (first sources), or of all the source sent (sweeps)."""

    def __len__(self) -> int:
        return len(self.source)

    def where(self, keep: Mask) -> "Links":
        """Return the links where `keep` is True."""
        return self.take(np.flatnonzero(keep))

    def take(self, order: Rows) -> "Links":
        """Return the links at these positions, in this order."""
        return Links(self.source[order], self.target[order], self.row[order], self.share[order])

    @classmethod
    def joined(cls, parts: Sequence["Links"]) -> "Links":
        """Return the links of all parts."""
        none = (np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0))
        columns = [none, *[(each.source, each.target, each.row, each.share) for each in parts]]
        return cls(*(np.concatenate(column) for column in zip(*columns, strict=True)))


@dataclass(frozen=True, eq=False)
class Ledger:
    """Hold the exact amounts that each address received and sent."""

    transfers: Transfers
    pairs: Pairs
    """What each address sent to each other."""
    received: Column
    """(digits, a)"""
    sent: Column
    """(digits, a)"""
    balances: Balances
    """By index; below zero where the log is incomplete."""
    first_row: NDArray[np.uint32]
    """(a,) the row of the first tokens that each address received, or `NO_ROW`."""
    first_sources: Links
    """From the sender of a wallet's first tokens, if that sent enough of them, to the wallet."""
    sweeps: Links
    """From a wallet to the one address that got more than half of all it ever sent."""

    @cached_property
    def addresses(self) -> AddressBook:
        """The addresses by index, and their indexes."""
        return AddressBook(self.transfers.addresses)

    @cached_property
    def supply(self) -> int:
        """Sum of the balances of all addresses but the zero address: minted less burned."""
        zero = self.index_of(ZERO)
        return self.balances.total() - (0 if zero is None else self.balances[zero])

    def release(self) -> None:
        """Let the system forget the pages that were read, if the columns are mapped files."""
        self.transfers.release()
        self.pairs.release()

    def received_by(self, index: int) -> int:
        """Return all that an address ever received."""
        digits = self.received[:, index].tolist()
        return sum(int(digit) << (32 * n) for n, digit in enumerate(digits))

    def index_of(self, address: str) -> int | None:
        """Return the index of an address; None if it is in no transfer."""
        return self.addresses.number(address)


@lru_cache(maxsize=1)
def replay(transfers: Transfers, parameters: Parameters) -> Ledger:
    """Replay all transfers; amounts are dust relative to what all addresses hold by them.

    The latest ledger is kept: an analysis asks for it in every round of fetching facts.
    """
    pairs = pairs_of(transfers)
    received, sent, first_row = _totals(pairs, len(transfers.addresses))
    balances = Balances.of(received, sent)
    least = ceil(parameters.supply_share * _held(transfers, balances))
    sources, sweeps = [], []
    for part in pairs.slices():
        ends, amounts = pairs.ends(part), pairs.amounts(part)
        rows = pairs.first[part]
        above_dust = reaches(amounts, least)
        source = _Candidates(ends, amounts, rows).where(above_dust & (rows == first_row[ends[1]]))
        total = received[:, source.ends[1]]
        sources.append(
            source.links(total, at_least(source.amounts, parameters.receiver_share, total))
        )
        sweep = _Candidates(ends, amounts, rows).where(above_dust)
        total = sent[:, sweep.ends[0]]
        sweeps.append(sweep.links(total, more_than(sweep.amounts, parameters.sweep_share, total)))
    return Ledger(
        transfers,
        pairs,
        received,
        sent,
        balances,
        first_row,
        Links.joined(sources),
        Links.joined(sweeps),
    )


def _held(transfers: Transfers, balances: Balances) -> int:
    """Return the sum of what all addresses but the zero address hold; it is never negative."""
    return balances.total(balances.positive & transfers.addresses.any(axis=1))


def _totals(pairs: Pairs, count: int) -> tuple[Column, Column, NDArray[np.uint32]]:
    """Return what each address received and sent, and the row of its first tokens."""
    received = np.zeros((len(pairs.digits), count), np.uint64)
    sent, first_row = np.zeros_like(received), np.full(count, NO_ROW)
    for part in pairs.slices():
        (source, target), amounts = pairs.ends(part), pairs.amounts(part)
        add_at(received, target, amounts)
        add_at(sent, source, amounts)
        np.minimum.at(first_row, target, pairs.first[part])
    return compact(normalize(received)), compact(normalize(sent)), first_row


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """Hold pairs that may become links."""

    ends: tuple[Indexes, Indexes]
    amounts: Column
    rows: NDArray[np.uint32]

    def where(self, keep: Mask) -> "_Candidates":
        ends = (self.ends[0][keep], self.ends[1][keep])
        return _Candidates(ends, self.amounts[:, keep], self.rows[keep])

    def links(self, total: Column, keep: Mask) -> Links:
        """Return those to keep as links, with their share of a total."""
        shares = floats(self.amounts) / np.maximum(floats(total), 1)
        return Links(*self.ends, self.rows.astype(np.int64), shares).where(keep)
