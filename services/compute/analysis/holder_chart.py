"""Count the holders of a token over time, by replaying its transfers in steps."""

from typing import Final

import numpy as np

from compute.analysis.amounts import Mask
from compute.analysis.concentration import TOP, Shares
from compute.analysis.ledger import Ledger
from compute.analysis.nodes import Nodes
from compute.analysis.times import BlockClock
from compute.chain_facts import ChainFacts
from contracts.cluster_report import HolderChartPoint

POINTS: Final = 48
"""Points of a chart, evenly spaced in blocks from the first transfer to the pinned block."""
_SLICE: Final = 1 << 20
_BITS: Final = 32
_MASK: Final = np.int64(2**_BITS - 1)


def holder_chart(
    nodes: Nodes, ledger: Ledger, facts: ChainFacts, clock: BlockClock
) -> tuple[HolderChartPoint, ...]:
    """Return the number of holders after some blocks, the earliest first.

    Burned tokens and those of the zero address have no holder. Kinds are those of the pinned block.
    """
    transfers = ledger.transfers
    if not len(transfers):
        return ()
    count = len(transfers.addresses)
    held_by_none = np.fromiter((nodes.kinds[n] == "burn" for n in range(count)), bool, count)
    wallets = np.fromiter((nodes.kinds[n] == "eoa" for n in range(count)), bool, count)
    running, begin, points = _Running(ledger), 0, []
    for block in _blocks(int(transfers.block[0]), facts.pinned.number):
        end = int(np.searchsorted(transfers.block, np.uint64(block), side="right"))
        running.add(begin, end)
        begin = end
        positive = running.positive()
        points.append(
            HolderChartPoint(
                block=block,
                timestamp=clock.time_of(block),
                holders=int((positive & ~held_by_none).sum()),
                transfers=end,
                top10=_top_share(running.floats()[positive & wallets]),
            )
        )
    return tuple(points)


def _blocks(first: int, last: int) -> list[int]:
    steps = range(POINTS)
    return sorted({first + (max(first, last) - first) * n // (POINTS - 1) for n in steps})


def _top_share(held: Shares) -> float:
    total = float(held.sum())
    top = held if len(held) <= TOP else np.partition(held, len(held) - TOP)[-TOP:]
    return round(min(1.0, float(top.sum()) / total), 9) if total > 0 else 0.0


class _Running:
    """Hold the balances after some of the transfers: signed digits of base 2^32."""

    def __init__(self, ledger: Ledger) -> None:
        self._transfers = ledger.transfers
        width = len(ledger.transfers.digits) + 2  # for carries and the sign
        self._digits = np.zeros((width, len(ledger.balances)), np.int64)

    def add(self, begin: int, end: int) -> None:
        """Replay these rows."""
        transfers = self._transfers
        for start in range(begin, end, _SLICE):
            rows = slice(start, min(start + _SLICE, end))
            for total, digit in zip(self._digits, transfers.digits, strict=False):
                amount = digit[rows].astype(np.int64)
                np.add.at(total, transfers.recipient[rows], amount)
                np.subtract.at(total, transfers.sender[rows], amount)
        for n in range(len(self._digits) - 1):
            self._digits[n + 1] += self._digits[n] >> _BITS
            self._digits[n] &= _MASK

    def positive(self) -> Mask:
        """Return where the balance is above zero."""
        mask: Mask = (self._digits[-1] >= 0) & self._digits.any(axis=0)
        return mask

    def floats(self) -> Shares:
        """Return the balances as rounded numbers."""
        weights = 2.0 ** (_BITS * np.arange(len(self._digits)))
        return np.asarray(weights @ self._digits, np.float64)
