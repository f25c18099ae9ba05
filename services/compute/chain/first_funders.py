"""Find who sent each of many addresses its first native coins, within a budget of calls.

All addresses start in one interval of blocks. An interval is halved by asking which of its
addresses had been used by the block in its middle; each half is an interval of its own, with fewer
addresses. Addresses share all calls until their paths part: a thousand that were funded in the days
before a launch take a few calls each, one that was funded alone some years earlier takes twenty.
What is found soonest is therefore searched first, and the importance of an address counts less.
The first payment to a wallet that was used long before it had the token shows little about who
owns it: such wallets come last, and so do those that had the token before any coins.
"""

import contextlib
import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from compute.chain.calls import BudgetSpent, Calls
from compute.chain.payments import Payments
from compute.chain.rpc import BATCH
from compute.chain.usage import Usage
from compute.chain_facts import Address, Funding

LEVEL: Final = 4
"""The importance of an address is 1 / (its rank + the number of addresses / this)."""
OUTSIDE: Final = 1 / 8
"""Importance of an address whose first payment shows little, in comparison with others."""
STEPS: Final = 32
"""Calls that one address may take; the last calls are not spread over more than they can find."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Hold addresses that were used first in one of the blocks after `low`, up to `high`."""

    low: int
    high: int
    ranks: tuple[int, ...]
    """The addresses by their rank in the request, in ascending order."""
    exact: bool = False
    """True if their nonces must be asked for at every block."""

    @property
    def is_found(self) -> bool:
        return self.high == self.low + 1


def _calls(addresses: int, blocks: int) -> float:
    """Estimate the calls for finding addresses in an interval of blocks."""
    if addresses < blocks:
        return addresses * (math.log2(blocks / addresses) + 2.5)
    return 2 * blocks - 1


@dataclass(slots=True)
class FirstFunders:
    """Search for first funders; `found` has those that the calls allowed."""

    calls: Calls
    usage: Usage
    payments: Payments
    addresses: Sequence[Address]
    """In order of importance."""
    last: int
    """The last block to consider."""
    relevant: Mapping[Address, tuple[int, int]] = field(default_factory=dict)
    """The first and last block in which a first payment would show much; any if left out."""
    _unresolved: list[tuple[float, int, Interval]] = field(default_factory=list)
    _count: int = 0
    _unused: tuple[int, ...] = ()
    """Addresses that seem never to have been used."""

    @property
    def found(self) -> dict[Address, Funding | None]:
        """By address; None if it was never used, or if no payment to it can be seen."""
        return self.payments.found

    async def search(self) -> None:
        """Search until every address is found or the budget is spent.

        Raises:
            RpcError: no endpoint keeps the old states.
            Unreachable: no endpoint responds.
        """
        with contextlib.suppress(BudgetSpent):
            await self._search()

    async def _search(self) -> None:
        ranks = tuple(range(len(self._affordable())))
        if not ranks:
            return
        await self._halve([Interval(-1, self.last, ranks)], [self.last])
        await self._settle_unused()
        if self._unresolved:
            await self.usage.learn(self.last)
        while chosen := self._next():
            found = [each for each in chosen if each.is_found]
            await self._pay(found)
            rest = [each for each in chosen if not each.is_found]
            await self._halve(rest, [self._middle(each) for each in rest])

    def _affordable(self) -> Sequence[Address]:
        """Return the addresses to search for: calls that are not shared suffice for fewer."""
        if self.usage.supported:
            return self.addresses
        return self.calls.affordable(self.addresses, 1.5 * self.last.bit_length() + 2)

    def _next(self) -> list[Interval]:
        """Take the most urgent intervals; give up those that the budget does not allow."""
        chosen, left = list[Interval](), self.calls.left
        width = max(1, min(BATCH, left // STEPS))
        while self._unresolved and len(chosen) < width:
            interval = heapq.heappop(self._unresolved)[2]
            if (cost := self._cost(interval)) <= left:
                left -= cost
                chosen.append(interval)
        return chosen

    def _middle(self, interval: Interval) -> int:
        """Return where to divide an interval: before all that is relevant, if that is its end."""
        middle = (interval.low + interval.high) // 2
        before = min(self._relevant(rank)[0] for rank in interval.ranks) - 1
        return before if middle < before < interval.high else middle

    def _relevant(self, rank: int) -> tuple[int, int]:
        return self.relevant.get(self.addresses[rank], (0, self.last))

    def _urgency(self, interval: Interval) -> float:
        """Return the importance gained per call of resolving the most important, or all of them."""
        gained, most = 0.0, 0.0
        for number, rank in enumerate(interval.ranks, start=1):
            gained += self._importance(rank, interval)
            if number & (number - 1) == 0 or number == len(interval.ranks):
                most = max(most, gained / _calls(number, interval.high - interval.low))
        return most

    def _importance(self, rank: int, interval: Interval) -> float:
        first, last = self._relevant(rank)
        outside = interval.high < first or interval.low >= last
        return (OUTSIDE if outside else 1) / (rank + len(self.addresses) / LEVEL)

    def _cost(self, interval: Interval) -> int:
        if interval.is_found:
            return 1 + (0 if self.usage.is_certain(interval.low) else len(interval.ranks))
        return 2 * len(interval.ranks) if interval.exact else self.usage.cost(len(interval.ranks))

    def _push(self, interval: Interval) -> None:
        if interval.ranks:
            self._count += 1
            heapq.heappush(self._unresolved, (-self._urgency(interval), self._count, interval))

    async def _halve(self, intervals: Sequence[Interval], blocks: Sequence[int]) -> None:
        """Divide each interval at a block, by which of its addresses had been used there."""
        for exact in (False, True):
            some = [
                (each, block)
                for each, block in zip(intervals, blocks, strict=True)
                if each.exact is exact
            ]
            probes = [(block, self._names(each)) for each, block in some]
            ask = self.usage.exactly if exact else self.usage.at
            for (each, block), used in zip(some, await ask(probes), strict=True):
                self._divide(each, block, used)

    def _divide(self, interval: Interval, block: int, used: Sequence[bool]) -> None:
        pairs = list(zip(interval.ranks, used, strict=True))
        before = tuple(rank for rank, is_used in pairs if is_used)
        after = tuple(rank for rank, is_used in pairs if not is_used)
        self._push(Interval(interval.low, block, before, interval.exact))
        if block < interval.high:
            self._push(Interval(block, interval.high, after, interval.exact))
        else:  # the last block
            self._unused += after

    async def _settle_unused(self) -> None:
        """Give up the addresses that were never used; search those that have been emptied."""
        asked, used = self._unused, [False] * len(self._unused)
        if not self.usage.is_certain(self.last):
            asked = tuple(self.calls.affordable(asked, 2))
            names = [self.addresses[rank] for rank in asked]
            (used,) = await self.usage.exactly([(self.last, names)])
        for rank, is_used in zip(asked, used, strict=True):
            if is_used:
                self._push(Interval(-1, self.last, (rank,), exact=True))
            else:
                self.found[self.addresses[rank]] = None

    def _names(self, interval: Interval) -> list[Address]:
        return [self.addresses[rank] for rank in interval.ranks]

    async def _pay(self, intervals: Sequence[Interval]) -> None:
        """Find the payments in the blocks in which addresses were used first."""
        genesis = [each for each in intervals if each.high == 0]
        for each in genesis:
            self.found.update(dict.fromkeys(self._names(each)))
        verified = await self._verify([each for each in intervals if each.high > 0])
        wanted: dict[int, list[Address]] = {}
        for each in verified:
            wanted.setdefault(each.high, []).extend(self._names(each))
        await self.payments.find(wanted)

    async def _verify(self, intervals: Sequence[Interval]) -> list[Interval]:
        """Return the intervals without addresses that had been emptied before; search those again.

        Only blocks that tell nothing about an empty address need that.
        """
        doubtful = [each for each in intervals if self._is_doubtful(each)]
        certain = [each for each in intervals if not self._is_doubtful(each)]
        probes = [(each.low, self._names(each)) for each in doubtful]
        for each, used in zip(doubtful, await self.usage.exactly(probes), strict=True):
            pairs = list(zip(each.ranks, used, strict=True))
            for rank in [rank for rank, is_used in pairs if is_used]:
                self._push(Interval(-1, each.low, (rank,), exact=True))
            first = tuple(rank for rank, is_used in pairs if not is_used)
            certain += [Interval(each.low, each.high, first)] if first else []
        return certain

    def _is_doubtful(self, interval: Interval) -> bool:
        return not interval.exact and not self.usage.is_certain(interval.low)
