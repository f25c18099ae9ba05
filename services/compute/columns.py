"""Store the merged transfers of a token as files of columns, and map them.

The columns only grow, so that a smaller table is the beginning of a larger one. The manifest says
how many rows are valid.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from compute.addresses import Salt
from compute.spool import mapped, release
from compute.transfers import ADDRESS_BYTES, WORD_BYTES, Transfers

FORMAT: Final = 2
"""Number of the format of all files of a token, sums of pairs included; no other one is read."""
WIDTHS: Final[dict[str, tuple[DTypeLike, int]]] = {
    "block": (np.uint64, 0),
    "log_index": (np.uint32, 0),
    "tx": (np.uint8, WORD_BYTES),
    "sender": (np.uint32, 0),
    "recipient": (np.uint32, 0),
}
"""Type and width of each column; the digits of the amounts have one column each."""
DIGIT_BYTES: Final = 4


class ColumnsChanged(Exception):
    """Report that the rows to be mapped are not stored any more."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Describe what is stored of a token."""

    salt: Salt
    segments: tuple[str, ...] = ()
    """Versions of the segments that were appended, in order: they change with the content."""
    rows: tuple[int, ...] = ()
    """Rows up to the end of each segment."""
    addresses: tuple[int, ...] = ()
    """Addresses up to the end of each segment."""
    digits: int = 1
    format: int = field(default=FORMAT)

    @property
    def total(self) -> int:
        """Number of all rows."""
        return self.rows[-1] if self.rows else 0

    @property
    def last_address(self) -> int:
        """Number of all addresses."""
        return self.addresses[-1] if self.addresses else 0

    def revision(self, count: int) -> str:
        """Identify the segments that hold the first `count` rows."""
        segments = sum(rows < count for rows in self.rows) + 1
        return hashlib.sha256("\n".join(self.segments[:segments]).encode()).hexdigest()

    def common(self, versions: Sequence[str]) -> "Manifest":
        """Return the manifest of the segments that are the first of these versions, too."""
        same = 0
        for version, stored in zip(versions, self.segments, strict=False):
            if version != stored:
                break
            same += 1
        return replace(
            self,
            segments=self.segments[:same],
            rows=self.rows[:same],
            addresses=self.addresses[:same],
        )

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield the least size of each file, in bytes."""
        yield "addresses", self.last_address * ADDRESS_BYTES
        for name, (dtype, width) in WIDTHS.items():
            yield name, self.total * np.dtype(dtype).itemsize * (width or 1)
        for number in range(self.digits):
            yield digit_name(number), self.total * DIGIT_BYTES

    def appended(self, version: str, rows: int, addresses: int, digits: int) -> "Manifest":
        """Return the manifest after a segment of `rows` rows."""
        return replace(
            self,
            segments=(*self.segments, version),
            rows=(*self.rows, self.total + rows),
            addresses=(*self.addresses, addresses),
            digits=max(digits, self.digits),
        )


@dataclass(frozen=True, eq=False)
class MappedTransfers(Transfers):
    """Represent transfers whose columns are mapped files."""

    directory: Path

    @property
    def scratch(self) -> Path:
        """Return the directory of the files."""
        return self.directory

    def release(self) -> None:
        """Let the system forget the pages that were read."""
        columns = (getattr(self, name) for name in WIDTHS)
        release(self.addresses, *columns, *self.digits)

    def first(self, count: int) -> "MappedTransfers":
        """Return the first `count` rows."""
        return open_columns(self.directory, count)


@dataclass(frozen=True, slots=True)
class StoredColumns:
    """Name the columns of a token for the process that maps them.

    A mapped file that is truncated ends the process that reads it: the service maps none.
    """

    directory: Path
    rows: int
    revision: str
    """Changes when other rows are stored in their place."""

    def __len__(self) -> int:
        return self.rows

    def open(self) -> MappedTransfers:
        """Map the columns.

        Raises:
            ColumnsChanged: other rows are stored there now.
        """
        if read_manifest(self.directory).revision(self.rows) != self.revision:
            raise ColumnsChanged(f"{self.directory}: not the rows of {self.revision}")
        return open_columns(self.directory, self.rows)


def columns_until(directory: Path, block: int) -> StoredColumns:
    """Name the rows up to and including a block."""
    rows = len(open_columns(directory).until(block))
    return StoredColumns(directory, rows, read_manifest(directory).revision(rows))


def open_columns(directory: Path, count: int | None = None) -> MappedTransfers:
    """Map the first `count` rows; by default all.

    Raises:
        ColumnsChanged: fewer rows are stored.
    """
    manifest = read_manifest(directory)
    count = manifest.total if count is None else count
    if count > manifest.total:
        raise ColumnsChanged(f"{directory}: {manifest.total} rows, {count} expected")
    columns: dict[str, Any] = {
        name: mapped(directory / name, dtype, count, width)
        for name, (dtype, width) in WIDTHS.items()
    }
    known = _addresses_of(manifest, count, columns["sender"], columns["recipient"])
    return MappedTransfers(
        addresses=mapped(directory / "addresses", np.uint8, known, ADDRESS_BYTES),
        digits=tuple(
            mapped(directory / digit_name(n), np.uint32, count) for n in range(manifest.digits)
        ),
        directory=directory,
        **columns,
    )


def _addresses_of(
    manifest: Manifest, count: int, sender: NDArray[np.uint32], recipient: NDArray[np.uint32]
) -> int:
    """Return the number of addresses in the first rows; they are in order of appearance."""
    complete = int(np.searchsorted(manifest.rows, count, side="right"))
    start = manifest.rows[complete - 1] if complete else 0
    known = manifest.addresses[complete - 1] if complete else 0
    ends = (sender[start:count], recipient[start:count])
    return max([known, *(1 + int(each.max()) for each in ends if len(each))])


def read_manifest(directory: Path) -> Manifest:
    """Return what is stored; an empty manifest if nothing is, or in another format, or a part."""
    try:
        stored = json.loads((directory / "manifest.json").read_text())
    except (FileNotFoundError, ValueError):
        stored = {}
    if stored.get("format") != FORMAT:
        return Manifest(new_salt())
    manifest = Manifest(**{name: _tuple(value) for name, value in stored.items()})
    complete = all(_size(directory / name) >= size for name, size in manifest.sizes())
    return manifest if complete else Manifest(new_salt())


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


def new_salt() -> Salt:
    """Return random factors for the hashes of addresses."""
    return secrets.randbits(64) | 1, secrets.randbits(64) | 1, secrets.randbits(64) | 1


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Replace the manifest, in one step."""
    unfinished = directory / "manifest.new"
    unfinished.write_text(json.dumps(asdict(manifest)))
    unfinished.rename(directory / "manifest.json")


def digit_name(number: int) -> str:
    """Return the name of the file of a digit of the amounts."""
    return f"digit-{number}"
