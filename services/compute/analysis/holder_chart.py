"""Count the holders of a token over time, by replaying its transfers in steps."""

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from compute.analysis.concentration import TOP, Shares
from compute.analysis.kinds import are
from compute.analysis.ledger import Ledger
from compute.analysis.nodes import Nodes
from compute.analysis.times import BlockClock
from compute.chain_facts import ChainFacts
from contracts.cluster_report import HolderChartPoint

if TYPE_CHECKING:
    from compute.analysis.amounts import Mask

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
    not_burned, wallets = ~are(nodes.kinds, "burn")[:count], are(nodes.kinds, "eoa")[:count]
    running, begin, points = _Running(ledger), 0, []
    for block in _blocks(int(transfers.block[0]), facts.pinned.number):
        end = int(np.searchsorted(transfers.block, np.uint64(block), side="right"))
        running.add(begin, end)
        begin = end
        points.append(
            HolderChartPoint(
                block=block,
                timestamp=clock.time_of(block),
                holders=int((running.positive & not_burned).sum()),
                transfers=end,
                top10=_top_share(running.rounded[running.positive & wallets]),
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
        count = len(ledger.balances)
        self._transfers = ledger.transfers
        width = len(ledger.transfers.digits) + 2  # for carries and the sign
        self._digits = np.zeros((width, count), np.int64)
        self.positive: Mask = np.zeros(count, bool)
        """Where the balance is above zero."""
        self.rounded: Shares = np.zeros(count)
        """The balances as rounded numbers."""

    def add(self, begin: int, end: int) -> None:
        """Replay these rows."""
        transfers, touched = self._transfers, np.zeros(len(self.positive), bool)
        for start in range(begin, end, _SLICE):
            rows = slice(start, min(start + _SLICE, end))
            sender, recipient = transfers.sender[rows], transfers.recipient[rows]
            touched[sender] = touched[recipient] = True
            for total, digit in zip(self._digits, transfers.digits, strict=False):
                amount = digit[rows].astype(np.int64)
                if amount.any():
                    np.add.at(total, recipient, amount)
                    np.subtract.at(total, sender, amount)
            transfers.release()
        self._update(np.flatnonzero(touched))

    def _update(self, touched: NDArray[np.int64]) -> None:
        """Carry the digits of the balances that have changed."""
        for start in range(0, len(touched), _SLICE):
            nodes = touched[start : start + _SLICE]
            digits = self._digits[:, nodes]
            for n in range(len(digits) - 1):
                digits[n + 1] += digits[n] >> _BITS
                digits[n] &= _MASK
            self._digits[:, nodes] = digits
            self.positive[nodes] = (digits[-1] >= 0) & digits.any(axis=0)
            weights = 2.0 ** (_BITS * np.arange(len(digits)))
            self.rounded[nodes] = weights @ digits
