"""Hold the balances of all addresses as columns that read like a sequence of integers."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from compute.analysis.amounts import Column, Mask, floats, integers, less, minus, total_of

_SLICE: Final = 1 << 18
_ROUNDING: Final = 1e-9
"""More than the relative error of a balance as a floating-point number."""


class Balances(Sequence[int]):
    """Present what each address received less what it sent, exactly.

    Reading single balances is for some thousands of addresses; the masks, `total` and `largest`
    are for all.
    """

    def __init__(self, size: Column, negative: Mask) -> None:
        """Hold balances by their size and sign."""
        self.size: Column = size
        """(digits, n) without the sign."""
        self.negative: Mask = negative
        """(n,) where more was sent than received: the log is incomplete, or mints."""

    @classmethod
    def of(cls, received: Column, sent: Column) -> "Balances":
        """Subtract two normalized columns (digits, n)."""
        return cls(minus(received, sent), less(received, sent))

    def __len__(self) -> int:
        return len(self.negative)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        """Return the balance at an index."""
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        digits: list[int] = self.size[:, index].tolist()
        size = sum(digit << (32 * n) for n, digit in enumerate(digits))
        return -size if self.negative[index] else size

    def __iter__(self) -> Iterator[int]:
        for start in range(0, len(self), _SLICE):
            part = slice(start, start + _SLICE)
            signs = self.negative[part].tolist()
            for size, negative in zip(integers(self.size[:, part]), signs, strict=True):
                yield -size if negative else size

    def of_nodes(self, indexes: Sequence[int]) -> Sequence[int]:
        """Return the balances at some indexes, in this order: faster than one by one."""
        at = np.asarray(indexes, np.int64)
        sizes, signs = integers(self.size[:, at]), self.negative[at].tolist()
        return [-size if negative else size for size, negative in zip(sizes, signs, strict=True)]

    @cached_property
    def positive(self) -> Mask:
        """Return (n,) where the balance is above zero."""
        mask: Mask = self.size.any(axis=0) & ~self.negative
        return mask

    def total(self, where: Mask | None = None) -> int:
        """Return the sum of all balances, or of those where the mask is True."""
        added, taken = ~self.negative, self.negative
        if where is not None:
            added, taken = added & where, taken & where
        return total_of(self.size, added) - total_of(self.size, taken)

    def largest(self, count: int, where: Mask | None = None) -> list[int]:
        """Return the indexes of the `count` largest positive balances, the largest first.

        Equal balances are in the order of their indexes.
        """
        held = np.flatnonzero(self.positive if where is None else self.positive & where)
        if count <= 0:
            return []
        if len(held) > count:
            rough = floats(self.size[:, held])
            least = np.partition(rough, len(held) - count)[len(held) - count]
            held = held[rough >= least * (1 - _ROUNDING)]
        order = np.lexsort(tuple(~digit for digit in self.size[:, held]))
        indexes: list[int] = held[order[:count]].tolist()
        return indexes

    def extended(self, count: int) -> "Balances":
        """Return these balances followed by `count` of zero."""
        if not count:
            return self
        return Balances(np.pad(self.size, ((0, 0), (0, count))), np.pad(self.negative, (0, count)))

    def floats(self) -> NDArray[np.float64]:
        """Return the balances as rounded numbers; those below zero as zero."""
        return np.where(self.negative, 0.0, floats(self.size))
