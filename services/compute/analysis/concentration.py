"""Measure how unevenly shares are distributed."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.cluster_report import Concentration

TOP: Final = 10
HALF: Final = 0.5
ROUNDING: Final = 1e-9
"""Tolerance for sums of shares, so that floating-point error does not turn a half into more."""

Shares = NDArray[np.float64]


def concentration(shares: Shares) -> Concentration:
    """Measure shares that add up to 1; all measures are zero if there are no shares.

    Herfindahl-Hirschman index: the sum of the squares. Gini coefficient: from the shares in
    ascending order, sum((2i - n - 1) x_i) / (n sum(x)). Nakamoto coefficient: the fewest holders
    that hold more than half together.
    """
    held = np.sort(shares[shares > 0])[::-1]
    if not len(held):
        return Concentration(top10=0, hhi=0, effective_holders=0, gini=0, nakamoto=0)
    hhi = float(np.square(held).sum())
    return Concentration(
        top10=_share(float(held[:TOP].sum())),
        hhi=_share(hhi),
        effective_holders=round(1 / hhi, 6),
        gini=_share(_gini(held[::-1])),
        nakamoto=min(
            len(held), int(np.searchsorted(np.cumsum(held), HALF + ROUNDING, side="right")) + 1
        ),
    )


def _gini(ascending: Shares) -> float:
    count = len(ascending)
    ranks = 2 * np.arange(1, count + 1) - count - 1
    return float((ranks * ascending).sum() / (count * ascending.sum()))


def _share(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 9)
