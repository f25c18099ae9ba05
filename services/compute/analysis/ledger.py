"""Replay transfers into the received and sent amounts, balance and first source of each address."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

from compute.analysis.amounts import (
    Column,
    Grouping,
    Indexes,
    at_least,
    column,
    integers,
    more_than,
    reaches,
    scatter,
)
from compute.analysis.labels import ZERO
from compute.analysis.parameters import Parameters
from compute.transfers import Transfers

Rows = NDArray[np.int64]


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

    def where(self, keep: NDArray[np.bool_]) -> "Links":
        """Return the links where `keep` is True."""
        return Links(self.source[keep], self.target[keep], self.row[keep], self.share[keep])


@dataclass(frozen=True, eq=False)
class Ledger:
    """Hold the exact amounts that each address received and sent."""

    transfers: Transfers
    received: Column
    sent: Column
    first_sources: Links
    """From the sender of a wallet's first tokens, if that sent enough of them, to the wallet."""
    sweeps: Links
    """From a wallet to the one address that got more than half of all it ever sent."""

    @cached_property
    def balances(self) -> Sequence[int]:
        """By index; below zero where the log is incomplete."""
        pairs = zip(integers(self.received), integers(self.sent), strict=True)
        return [received - sent for received, sent in pairs]

    @property
    def supply(self) -> int:
        """Sum of the balances of all addresses but the zero address: minted less burned."""
        zero = self.index_of(ZERO)
        return sum(self.balances) - (0 if zero is None else self.balances[zero])

    def received_by(self, index: int) -> int:
        """Return all that an address ever received."""
        digits = self.received[:, index].tolist()
        return sum(int(digit) << (32 * n) for n, digit in enumerate(digits))

    def index_of(self, address: str) -> int | None:
        """Return the index of an address; None if it is in no transfer."""
        return _find(self.transfers.addresses, bytes.fromhex(address[2:]))


def _find(names: NDArray[np.uint8], wanted: bytes) -> int | None:
    low, high = 0, len(names)
    while low < high:  # addresses are in ascending order: bisect
        middle = (low + high) // 2
        if names[middle].tobytes() < wanted:
            low = middle + 1
        else:
            high = middle
    found = low < len(names) and names[low].tobytes() == wanted
    return low if found else None


@dataclass(frozen=True, slots=True, eq=False)
class _Flow:
    """Hold the transfers that move an amount from one address to another."""

    row: Rows
    sender: Indexes
    recipient: Indexes
    amount: Column


def replay(transfers: Transfers, supply: int, parameters: Parameters) -> Ledger:
    """Replay all transfers; amounts are dust relative to `supply`.

    Transfers of zero, or from an address to itself, are ignored: many tokens let any caller log
    them in another address's name.
    """
    amounts = column(transfers.value)
    count = len(transfers.addresses)
    real = np.flatnonzero((transfers.sender != transfers.recipient) & amounts.any(axis=0))
    flow = _Flow(real, transfers.sender[real], transfers.recipient[real], amounts[:, real])
    received, first_sources = _received(flow, count, supply, parameters)
    sent, sweeps = _sent(flow, count, supply, parameters)
    return Ledger(transfers, received, sent, first_sources, sweeps)


def _received(flow: _Flow, count: int, supply: int, parameters: Parameters) -> tuple[Column, Links]:
    """Sum the amounts that each address received, and find its first source."""
    by_recipient = Grouping.by(flow.recipient)
    target, first = by_recipient.keys, by_recipient.first
    total = by_recipient.sums(flow.amount)
    source_of = np.zeros(count, np.uint32)
    source_of[target] = flow.sender[first]
    given = by_recipient.sums(flow.amount, only=flow.sender == source_of[flow.recipient])
    enough = at_least(given, parameters.receiver_share, total)
    enough &= _above_dust(given, supply, parameters)
    links = Links(flow.sender[first], target, flow.row[first], _shares(given, total))
    return scatter(total, target, count), links.where(enough)


def _sent(flow: _Flow, count: int, supply: int, parameters: Parameters) -> tuple[Column, Links]:
    """Sum the amounts that each address sent, and find the main recipient."""
    wide = np.uint64(max(1, count))
    by_pair = Grouping.by(flow.sender.astype(np.uint64) * wide + flow.recipient)
    source = (by_pair.keys // wide).astype(np.uint32)
    target = (by_pair.keys % wide).astype(np.uint32)
    given = by_pair.sums(flow.amount)
    by_source = Grouping.by(source)  # the pairs are ordered by sender
    total = scatter(by_source.sums(given), by_source.keys, count)
    most = more_than(given, parameters.sweep_share, total[:, source])
    most &= _above_dust(given, supply, parameters)
    shares = _shares(given, total[:, source])
    return total, Links(source, target, flow.row[by_pair.first], shares).where(most)


def _above_dust(given: Column, supply: int, parameters: Parameters) -> NDArray[np.bool_]:
    return reaches(given, ceil(parameters.supply_share * supply))


def _shares(part: Column, total: Column) -> NDArray[np.float64]:
    return _floats(part) / np.maximum(_floats(total), 1)


def _floats(amounts: Column) -> NDArray[np.float64]:
    weights = 2.0 ** (32.0 * np.arange(len(amounts)))
    return np.asarray(weights @ amounts.astype(np.float64), np.float64)
