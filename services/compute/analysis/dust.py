"""Measure what the addresses of a token's transfers hold, to which dust is relative."""

from typing import Final

import numpy as np

from compute.analysis.amounts import column
from compute.analysis.labels import ZERO
from compute.transfers import Transfers

SLICE: Final = 1 << 20
"""Rows that are added up at once."""


def held_by_transfers(transfers: Transfers) -> int:
    """Return what all addresses hold by the transfers, to about fifteen digits.

    It does not depend on what the token's contract says. The zero address holds nothing, and an
    address that sent more than it received has received tokens without a log.
    """
    count = len(transfers.addresses)
    held = np.zeros(count)
    for start in range(0, len(transfers), SLICE):
        rows = slice(start, start + SLICE)
        digits = column(transfers.value[rows])
        amounts = (2.0 ** (32.0 * np.arange(len(digits)))) @ digits.astype(np.float64)
        held += np.bincount(transfers.recipient[rows], amounts, count)
        held -= np.bincount(transfers.sender[rows], amounts, count)
    zero = bytes.fromhex(ZERO[2:])
    held[(transfers.addresses == np.frombuffer(zero, np.uint8)).all(axis=1)] = 0
    return int(held[held > 0].sum())
