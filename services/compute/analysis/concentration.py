"""How unevenly shares are held: pure numbers about a list of shares."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from contracts.cluster_report import Concentration

TOP: Final = 10
HALF: Final = 0.5
ROUNDING: Final = 1e-9
"""Of sums of shares: a half is not more than a half because of the last binary digit."""

Shares = NDArray[np.float64]


def concentration(shares: Shares) -> Concentration:
    """Of shares that add up to 1; all zero if nobody holds anything.

    Herfindahl-Hirschman index: the sum of the squares. Gini: from the shares in ascending order,
    sum((2i - n - 1) x_i) / (n sum(x)). Nakamoto: the fewest that hold more than half together.
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
