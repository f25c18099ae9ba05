"""Locate the blocks in which the transfers contradict the balances that a token reports (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compute.chain_facts import Address

Balances = Mapping[Address, int | None]
"""`balanceOf` by address, in the token's smallest unit; None if it is not known."""


@dataclass(frozen=True, slots=True)
class Contradictions:
    """Hold the addresses whose `balanceOf` is not what the transfers add up to."""

    addresses: tuple[Address, ...] = ()
    """The largest differences first."""
    changes: tuple[tuple[int, ...], ...] = ()
    """By range of blocks, and address: the change of the balance, by the transfers."""

    def __bool__(self) -> bool:
        return bool(self.addresses)


def doubtful_ranges(found: Contradictions, reported: Sequence[Balances]) -> list[int]:
    """Return the numbers of the ranges whose transfers do not explain a change of balances.

    `reported` has the balances at the end of each range. Where some are not known, all ranges in
    between are doubtful.
    """
    doubtful = set[int]()
    for place, address in enumerate(found.addresses):
        first, before, logged = 0, 0, 0
        for number, balances in enumerate(reported):
            logged += found.changes[number][place]
            balance = balances.get(address)
            if balance is None:
                continue
            if balance - before != logged:
                doubtful.update(range(first, number + 1))
            first, before, logged = number + 1, balance, 0
    return sorted(doubtful)
