"""Append segments to the stored columns of a token, and drop what is not needed any more.

A segment is appended without reading the rows before it. The manifest is replaced last: what a
process that was killed had written after it is overwritten.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self

import numpy as np

from compute.address_table import AddressTable
from compute.columns import DIGIT_BYTES, WIDTHS, digit_name, read_manifest, write_manifest
from compute.spool import mapped
from compute.transfers import Indexes, Transfers


class SegmentOutOfOrder(Exception):
    """Report a segment that begins before the end of the rows that are stored."""


def missing_segments(directory: Path, versions: Sequence[str]) -> list[str]:
    """Return which of these segments have to be appended; drop all rows after the common ones.

    Segments are equal if their versions are. What is stored in another format, or of which a file
    was lost, is deleted.
    """
    manifest = read_manifest(directory)
    if not manifest.total and directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    common = manifest.common(versions)
    if common != manifest:
        for results in directory.glob("pairs-*"):
            if int(results.name.split("-")[1]) > common.total:
                shutil.rmtree(results)
        write_manifest(directory, common)
    for unfinished in directory.glob("unfinished-*"):
        shutil.rmtree(unfinished)
    os.utime(directory)
    return list(versions[len(common.segments) :])


def append_segments(directory: Path, segments: Iterable[tuple[str, Transfers]]) -> None:
    """Append segments, by their versions, in the order of their blocks.

    Raises:
        SegmentOutOfOrder: a segment begins before the end of the rows that are stored.
    """
    manifest = read_manifest(directory)
    table = AddressTable(directory, manifest.last_address, manifest.salt)
    with _Writer(directory, manifest.total, manifest.digits) as writer:
        for version, transfers in segments:
            writer.append(transfers, table.numbered(transfers.addresses))
            manifest = manifest.appended(version, len(transfers), len(table), writer.digits)
    table.close()
    write_manifest(directory, manifest)


class _Writer:
    """Append rows to the files of all columns."""

    def __init__(self, directory: Path, rows: int, digits: int) -> None:
        """Write after this number of rows."""
        self._directory, self._rows, self.digits = directory, rows, 0
        self._files: dict[str, IO[bytes]] = {}
        self._open = ExitStack()
        for name, (dtype, width) in WIDTHS.items():
            self._open_file(directory / name, np.dtype(dtype).itemsize * (width or 1))
        self._open_digits(digits)
        blocks = mapped(directory / "block", np.uint64, rows)
        self._last_block = int(blocks[-1]) if rows else -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Write everything to the disk."""
        with self._open:
            for file in self._files.values():
                file.flush()
                os.fsync(file.fileno())

    def append(self, transfers: Transfers, numbers: Indexes) -> None:
        """Append rows, whose addresses have these numbers here."""
        if not len(transfers):
            return
        if transfers.block[0] <= self._last_block:
            raise SegmentOutOfOrder(f"block {transfers.block[0]} after {self._last_block}")
        ends = {"sender": numbers[transfers.sender], "recipient": numbers[transfers.recipient]}
        for name, (dtype, _) in WIDTHS.items():
            column = ends[name] if name in ends else getattr(transfers, name)
            np.ascontiguousarray(column, dtype).tofile(self._files[name])
        self._open_digits(len(transfers.digits))
        zeros = np.zeros(len(transfers), np.uint32)
        for number in range(self.digits):
            known = number < len(transfers.digits)
            digit = transfers.digits[number] if known else zeros
            digit.tofile(self._files[digit_name(number)])
        self._rows += len(transfers)
        self._last_block = int(transfers.block[-1])

    def _open_digits(self, digits: int) -> None:
        for number in range(self.digits, digits):
            self._open_file(self._directory / digit_name(number), DIGIT_BYTES)
        self.digits = max(self.digits, digits)

    def _open_file(self, path: Path, width: int) -> None:
        """Open a file at the end of the rows; rows that it does not have yet are zero."""
        path.touch()
        file = self._open.enter_context(path.open("r+b"))
        file.truncate(self._rows * width)
        file.seek(0, os.SEEK_END)
        self._files[path.name] = file


def evict(root: Path, keep: Path, most_bytes: int) -> None:
    """Delete the columns of the least recently used tokens; never those of `keep`."""
    used = [(each.stat().st_mtime, each) for each in root.glob("*/*") if each != keep]
    total = _size(keep)
    for _, directory in sorted(used, reverse=True):
        total += _size(directory)
        if total > most_bytes:
            shutil.rmtree(directory)


def _size(directory: Path) -> int:
    return sum(each.stat().st_size for each in directory.rglob("*") if each.is_file())
