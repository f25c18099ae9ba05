"""What the transfers say of each address: received, sent, held, and from whom first."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

from compute.analysis.amounts import (
    Column,
    Grouping,
    Places,
    at_least,
    column,
    integers,
    more_than,
    reaches,
    spread,
)
from compute.analysis.labels import ZERO
from compute.analysis.parameters import Parameters
from compute.transfers import Transfers

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """Pairs of addresses with the transfer that shows what is between them."""

    source: Places
    target: Places
    row: Rows
    share: NDArray[np.float64]
    """Of all that the target received (first sources), or that the source sent (sweeps)."""

    def __len__(self) -> int:
        return len(self.source)

    def where(self, keep: NDArray[np.bool_]) -> "Links":
        return Links(self.source[keep], self.target[keep], self.row[keep], self.share[keep])


@dataclass(frozen=True, eq=False)
class Ledger:
    """Replayed from the transfers, exact to the last unit."""

    transfers: Transfers
    received: Column
    sent: Column
    first_sources: Links
    """Whoever gave a wallet its first tokens, and enough of them."""
    sweeps: Links
    """Where more than half of what a wallet ever sent went."""

    @cached_property
    def balances(self) -> Sequence[int]:
        """By place; below zero where the log does not tell everything."""
        pairs = zip(integers(self.received), integers(self.sent), strict=True)
        return [received - sent for received, sent in pairs]

    @property
    def supply(self) -> int:
        """What all but the zero address hold: minted less burned."""
        zero = self.place_of(ZERO)
        return sum(self.balances) - (0 if zero is None else self.balances[zero])

    def place_of(self, address: str) -> int | None:
        return _find(self.transfers.addresses, bytes.fromhex(address[2:]))


def _find(names: NDArray[np.uint8], wanted: bytes) -> int | None:
    low, high = 0, len(names)
    while low < high:  # ascending: bisect
        middle = (low + high) // 2
        if names[middle].tobytes() < wanted:
            low = middle + 1
        else:
            high = middle
    found = low < len(names) and names[low].tobytes() == wanted
    return low if found else None


@dataclass(frozen=True, slots=True, eq=False)
class _Flow:
    """The transfers that move something from one address to another."""

    row: Rows
    sender: Places
    recipient: Places
    amount: Column


def replay(transfers: Transfers, supply: int, parameters: Parameters) -> Ledger:
    """The ledger after all transfers; `supply` is what dust is measured by.

    A transfer of nothing, or to oneself, is no evidence: anybody can log one in another's name.
    """
    amounts = column(transfers.value)
    count = len(transfers.addresses)
    real = np.flatnonzero((transfers.sender != transfers.recipient) & amounts.any(axis=0))
    flow = _Flow(real, transfers.sender[real], transfers.recipient[real], amounts[:, real])
    received, first_sources = _received(flow, count, supply, parameters)
    sent, sweeps = _sent(flow, count, supply, parameters)
    return Ledger(transfers, received, sent, first_sources, sweeps)


def _received(flow: _Flow, count: int, supply: int, parameters: Parameters) -> tuple[Column, Links]:
    """What each got, and the sender of its first tokens, if that gave it a fair share."""
    by_recipient = Grouping.by(flow.recipient)
    target, first = by_recipient.keys, by_recipient.first
    whole = by_recipient.sums(flow.amount)
    source_of = np.zeros(count, np.uint32)
    source_of[target] = flow.sender[first]
    given = by_recipient.sums(flow.amount, only=flow.sender == source_of[flow.recipient])
    enough = at_least(given, parameters.receiver_share, whole)
    enough &= _no_dust(given, supply, parameters)
    links = Links(flow.sender[first], target, flow.row[first], _shares(given, whole))
    return spread(whole, target, count), links.where(enough)


def _sent(flow: _Flow, count: int, supply: int, parameters: Parameters) -> tuple[Column, Links]:
    """What each sent, and the one other that got most of it, if there is one."""
    wide = np.uint64(max(1, count))
    by_pair = Grouping.by(flow.sender.astype(np.uint64) * wide + flow.recipient)
    source = (by_pair.keys // wide).astype(np.uint32)
    target = (by_pair.keys % wide).astype(np.uint32)
    given = by_pair.sums(flow.amount)
    by_source = Grouping.by(source)  # the pairs are in the order of their senders already
    whole = spread(by_source.sums(given), by_source.keys, count)
    most = more_than(given, parameters.sweep_share, whole[:, source])
    most &= _no_dust(given, supply, parameters)
    shares = _shares(given, whole[:, source])
    return whole, Links(source, target, flow.row[by_pair.first], shares).where(most)


def _no_dust(given: Column, supply: int, parameters: Parameters) -> NDArray[np.bool_]:
    return reaches(given, ceil(parameters.supply_share * supply))


def _shares(part: Column, whole: Column) -> NDArray[np.float64]:
    return _floats(part) / np.maximum(_floats(whole), 1)


def _floats(amounts: Column) -> NDArray[np.float64]:
    weights = 2.0 ** (32.0 * np.arange(len(amounts)))
    return np.asarray(weights @ amounts.astype(np.float64), np.float64)
