"""Add and compare 256-bit amounts exactly, a column at a time.

A column is an array (digits, n) of digits of base 2^32, the lowest first. While amounts are added,
each digit has 64 bits: four thousand million amounts can be added before one overflows. A column
is normalized when every digit is below 2^32; only normalized columns can be compared, and they may
be stored with 32 bits each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compute.transfers import WORD_BYTES, Bytes

Column = NDArray[Any]
"""Digits are numpy's uint64 or uint32."""
Indexes = NDArray[np.uint32]
Mask = NDArray[np.bool_]

_BITS = np.uint64(32)
_MASK = np.uint64(2**32 - 1)
_SLICE = 1 << 20
"""Amounts that are worked on at once, where several copies of them are needed."""


def column(values: Bytes) -> Column:
    """Convert amounts (n, 32), big-endian; high digits that are zero in all are left out."""
    digits = values.reshape(-1, WORD_BYTES).view(">u4")[:, ::-1].T
    used = 1 + max((n for n in range(len(digits)) if digits[n].any()), default=0)
    return digits[:used].astype(np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """Group rows by a key: sort once, sum as often as needed."""

    keys: NDArray[Any]
    """The distinct keys, ascending."""
    order: NDArray[np.int64]
    """Row numbers, group by group, in ascending order within each group."""
    starts: NDArray[np.int64]
    """Index in `order` at which each group begins."""

    @classmethod
    def by(cls, key: NDArray[Any]) -> "Grouping":
        """Group rows by a key (n,)."""
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        fresh = np.ones(len(ordered), bool)
        fresh[1:] = ordered[1:] != ordered[:-1]
        starts = np.flatnonzero(fresh)
        return cls(ordered[starts], order, starts)

    @property
    def first(self) -> NDArray[np.int64]:
        """Row number of the first row of each group."""
        return self.order[self.starts]

    def sums(self, amounts: Column, only: NDArray[np.bool_] | None = None) -> Column:
        """Return the normalized sum of each group, of the rows where `only` is True."""
        if not len(self.order):
            return np.zeros((1, 0), np.uint64)
        kept = None if only is None else only[self.order]
        sums: Column = np.stack([self._sum(digit, kept) for digit in amounts])
        return normalize(sums)

    def _sum(self, digit: NDArray[np.uint64], kept: NDArray[np.bool_] | None) -> Column:
        if not digit.any():  # round amounts have many zero digits
            return np.zeros(len(self.starts), np.uint64)
        ordered = digit[self.order]
        if kept is not None:
            ordered *= kept
        return np.add.reduceat(ordered, self.starts)


def scatter(amounts: Column, indexes: NDArray[Any], count: int) -> Column:
    """Return a column of `count` amounts: these at these indexes, zero elsewhere."""
    out = np.zeros((len(amounts), count), np.uint64)
    out[:, indexes] = amounts
    return out


def normalize(amounts: Column) -> Column:
    """Propagate carries, so that every digit is below 2^32."""
    digits = []
    carry: Any = np.uint64(0)
    for digit in amounts:
        total = digit + carry
        digits.append(total & _MASK)
        carry = total >> _BITS
    while np.any(carry):
        digits.append(carry & _MASK)
        carry = carry >> _BITS
    return np.stack(digits)


def at_least(amounts: Column, share: Fraction, of: Column) -> NDArray[np.bool_]:
    """Return where an amount is at least this share of the other; exact."""
    return ~less(_times(amounts, share.denominator), _times(of, share.numerator))


def more_than(amounts: Column, share: Fraction, of: Column) -> NDArray[np.bool_]:
    """Return where an amount is more than this share of the other; exact."""
    return less(_times(of, share.numerator), _times(amounts, share.denominator))


def reaches(amounts: Column, least: int) -> NDArray[np.bool_]:
    """Return where an amount is at least `least`."""
    digits = max(1, -(-least.bit_length() // 32))
    low = [np.uint64((least >> (32 * n)) & (2**32 - 1)) for n in range(digits)]
    return ~less(amounts, low)


def integers(amounts: Column) -> Sequence[int]:
    """Convert a normalized column to Python integers."""
    packed = np.ascontiguousarray(amounts.T).astype("<u4").tobytes()
    width = 4 * len(amounts)
    return [
        int.from_bytes(packed[at : at + width], "little") for at in range(0, len(packed), width)
    ]


def _times(amounts: Column, factor: int) -> Column:
    """Multiply a normalized column by a factor of up to 2^31."""
    return normalize(amounts * np.uint64(factor))


def less(left: Sequence[Any] | Column, right: Sequence[Any] | Column) -> Mask:
    """Return where the left of two normalized columns is less than the right."""
    result: Any = np.False_
    for n in range(max(len(left), len(right))):  # the highest digit that differs decides
        own = left[n] if n < len(left) else np.uint64(0)
        other = right[n] if n < len(right) else np.uint64(0)
        result = (own < other) | ((own == other) & result)
    return np.asarray(result, bool)


def minus(left: Column, right: Column) -> Column:
    """Return the difference of two normalized columns, without its sign."""
    count = left.shape[1]
    out = np.zeros((max(len(left), len(right)), count), np.uint32)
    for start in range(0, count, _SLICE):
        part = slice(start, start + _SLICE)
        one, other = left[:, part], right[:, part]
        swap, borrow = less(one, other), np.int64(0)
        for n in range(len(out)):
            difference = _digit(one, n) - _digit(other, n)
            difference = np.where(swap, -difference, difference) - borrow
            borrow = (difference < 0).astype(np.int64)
            out[n, part] = difference + (borrow << 32)
    return out


def _digit(amounts: Column, n: int) -> Any:
    return amounts[n].astype(np.int64) if n < len(amounts) else np.int64(0)


def compact(amounts: Column) -> NDArray[np.uint32]:
    """Return a normalized column with 32 bits for each digit, without high digits that are zero."""
    used = len(amounts)
    while used > 1 and not amounts[used - 1].any():
        used -= 1
    return np.asarray(amounts[:used], np.uint32)


def total_of(amounts: Column, where: Mask) -> int:
    """Return the sum of a normalized column, where the mask is True."""
    return sum(
        int(np.add.reduce(digit, dtype=np.uint64, where=where)) << (32 * n)
        for n, digit in enumerate(amounts)
    )


def floats(amounts: Column) -> NDArray[np.float64]:
    """Return a normalized column as rounded numbers."""
    out = np.zeros(amounts.shape[1])
    for n, digit in enumerate(amounts):
        out += digit * 2.0 ** (32 * n)
    return out


def add_at(totals: NDArray[np.uint64], indexes: NDArray[Any], amounts: Column) -> None:
    """Add amounts to the totals (digits, a) at these indexes, which may repeat; no carries."""
    for total, digit in zip(totals, amounts, strict=False):
        np.add.at(total, indexes, digit.astype(np.uint64))
