"""Sum the transfers of each sender to each recipient, in bounded memory.

The rows are sorted and summed a part at a time. The sums of the parts are merged a range of keys at
a time. So memory depends on the size of a part, and not on the number of transfers; the sums are in
files if the transfers are.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from compute.analysis.amounts import Column, Indexes, normalize
from compute.spool import Columns, FileSpool, MemorySpool, Spool, release
from compute.transfers import Transfers

Rows = NDArray[np.int64]

PART_ROWS: Final = 1 << 21
"""Rows that are sorted at once: about 200 MB."""
_BITS: Final = np.uint64(32)
_RUN: Final = (np.uint64, np.uint32, np.uint32, np.uint32)
"""Columns of a run: the key, the number of transfers, the first and the last row; then digits."""
_SAMPLE: Final = 1 << 10


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Represent what each sender sent to each recipient; by sender, then recipient.

    Transfers of zero and from an address to itself are left out: many tokens let any caller log
    them in another address's name.
    """

    key: NDArray[np.uint64]
    """The sender, then the recipient, 32 bits each."""
    count: NDArray[np.uint32]
    """Number of transfers."""
    first: NDArray[np.uint32]
    """Row number of the first transfer."""
    last: NDArray[np.uint32]
    """Row number of the last transfer."""
    digits: Columns
    """The sum of the amounts, as columns of digits (p,) of base 2^32, the lowest first."""

    def __len__(self) -> int:
        return len(self.key)

    def slices(self) -> Iterator[slice]:
        """Yield consecutive slices that fit into memory."""
        for part in _parts(0, len(self)):
            yield part
            self.release()

    def release(self) -> None:
        """Let the system forget the pages that were read, if the columns are mapped files."""
        release(self.key, self.count, self.first, self.last, *self.digits)

    def ends(self, part: slice | NDArray[Any]) -> tuple[Indexes, Indexes]:
        """Return the senders and the recipients of some pairs."""
        key = self.key[part]
        return (key >> _BITS).astype(np.uint32), key.astype(np.uint32)

    def amounts(self, part: slice | NDArray[Any]) -> Column:
        """Return the sums of some pairs as a normalized column (digits, n)."""
        return np.stack([digit[part] for digit in self.digits])

    def find(self, source: int, target: int) -> int | None:
        """Return the number of a pair; None if nothing was sent."""
        key = np.uint64(source << 32 | target)
        number = int(np.searchsorted(self.key, key))
        return number if number < len(self) and self.key[number] == key else None


def pairs_of(transfers: Transfers) -> Pairs:
    """Sum all transfers by sender and recipient; what was summed before is taken from the files."""
    width = len(transfers.digits) + 1
    if transfers.scratch is None:
        runs = [_run(transfers, part, width) for part in _parts(0, len(transfers))]
        with MemorySpool(_types(width)) as memory:
            _write(runs, memory)
        return _pairs(memory.columns())
    directory = transfers.scratch / f"pairs-{len(transfers)}-{width}"
    if not directory.exists():
        with TemporaryDirectory(dir=transfers.scratch, prefix="unfinished-") as unfinished:
            _sum_in(Path(unfinished), transfers, width)
            (Path(unfinished) / "pairs").rename(directory)
        for other in _stored(transfers.scratch):
            if other != directory:
                shutil.rmtree(other)
    return _stored_pairs(directory)


def _sum_in(directory: Path, transfers: Transfers, width: int) -> None:
    """Add the new rows to the sums of the earlier ones."""
    rows, earlier = _earlier(transfers)
    runs = [] if earlier is None else [_widened(earlier, width)]
    for number, part in enumerate(_parts(rows, len(transfers))):
        with FileSpool(directory / f"run-{number}", _types(width)) as run:
            run.append(_run(transfers, part, width))
        runs.append(run.columns())
    with FileSpool(directory / "pairs", _types(width)) as spool:
        _write(runs, spool)


def _earlier(transfers: Transfers) -> tuple[int, Pairs | None]:
    """Return the largest number of rows that are summed already, and their sums."""
    found = [(int(each.name.split("-")[1]), each) for each in _stored(transfers.scratch)]
    rows, directory = max((each for each in found if each[0] < len(transfers)), default=(0, None))
    return rows, None if directory is None else _stored_pairs(directory)


def _stored(scratch: Path | None) -> list[Path]:
    return [] if scratch is None else list(scratch.glob("pairs-*"))


def _stored_pairs(directory: Path) -> Pairs:
    width = int(directory.name.split("-")[2])
    return _pairs(FileSpool(directory, _types(width)).columns())


def _widened(pairs: Pairs, width: int) -> Columns:
    zeros = [np.zeros(len(pairs), np.uint32)] * (width - len(pairs.digits))
    return (pairs.key, pairs.count, pairs.first, pairs.last, *pairs.digits, *zeros)


def _parts(start: int, stop: int) -> Iterator[slice]:
    for at in range(start, stop, PART_ROWS):
        yield slice(at, min(at + PART_ROWS, stop))


def _types(width: int) -> Sequence[Any]:
    return (*_RUN, *[np.uint32] * width)


def _pairs(columns: Columns) -> Pairs:
    key, count, first, last, *digits = columns
    return Pairs(key, count, first, last, digits)


def _write(runs: Sequence[Columns], spool: Spool) -> None:
    for merged in _merged(runs):
        spool.append(merged)


def _run(transfers: Transfers, part: slice, width: int) -> Columns:
    """Sum a part of the rows."""
    sender, recipient = transfers.sender[part], transfers.recipient[part]
    digits = [digit[part] for digit in transfers.digits]
    real = (sender != recipient) & np.any([digit != 0 for digit in digits], axis=0)
    rows = np.flatnonzero(real)
    key = (sender[rows].astype(np.uint64) << _BITS) | recipient[rows]
    order = np.argsort(key)
    key, rows = key[order], rows[order]
    starts = _starts(key)
    at = rows + part.start
    transfers.release()
    return (
        key[starts],
        np.diff(starts, append=len(key)),
        np.minimum.reduceat(at, starts) if len(at) else at,
        np.maximum.reduceat(at, starts) if len(at) else at,
        *_sums(digits, rows, starts, width),
    )


def _merged(runs: Sequence[Columns]) -> Iterator[Columns]:
    """Merge runs a range of keys at a time."""
    if len(runs) == 1:
        yield runs[0]
        return
    for parts in _ranges(runs):
        key, count, first, last, *digits = (
            np.concatenate(each) for each in zip(*parts, strict=True)
        )
        order = np.argsort(key, kind="stable")
        starts = _starts(key[order])
        if len(starts):
            yield (
                key[order][starts],
                np.add.reduceat(count[order], starts),
                np.minimum.reduceat(first[order], starts),
                np.maximum.reduceat(last[order], starts),
                *_sums(digits, order, starts, len(digits)),
            )
        for run in runs:
            release(*run)


def _ranges(runs: Sequence[Columns]) -> Iterator[list[Columns]]:
    """Yield the rows of all runs for consecutive ranges of keys, each about `PART_ROWS` rows."""
    rows = sum(len(run[0]) for run in runs)
    sample = np.sort(
        np.concatenate([run[0][::_SAMPLE] for run in runs] or [np.empty(0, np.uint64)])
    )
    parts = -(-rows // PART_ROWS)
    limits = sample[np.arange(1, parts) * len(sample) // max(1, parts)]
    ends = [[*np.searchsorted(run[0], limits).tolist(), len(run[0])] for run in runs]
    starts = [0] * len(runs)
    for stops in zip(*ends, strict=True):
        yield [
            [column[start:stop] for column in run]
            for run, start, stop in zip(runs, starts, stops, strict=True)
        ]
        starts = list(stops)


def _starts(ordered: NDArray[Any]) -> Rows:
    """Return where each distinct value of an ordered array begins."""
    fresh = np.ones(len(ordered), bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    return np.flatnonzero(fresh)


def _sums(digits: Columns, order: Rows, starts: Rows, width: int) -> Columns:
    """Return the normalized sums of each group as `width` columns of digits."""
    sums = np.zeros((width, len(starts)), np.uint64)
    for total, digit in zip(sums, digits, strict=False):
        if len(starts) and digit.any():  # round amounts have many zero digits
            np.add.reduceat(digit[order].astype(np.uint64), starts, out=total)
    return list(normalize(sums)[:width].astype(np.uint32))
