"""Number the addresses of a token in files that grow: a list, and a hash table over it."""

import os
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from compute.addresses import Hashes, Salt, hashes_of
from compute.spool import mapped, release
from compute.transfers import ADDRESS_BYTES, Bytes, Indexes, texts_of

_EMPTY: Final = np.uint32(2**32 - 1)
_LEAST_SLOTS: Final = 1 << 12
_SLICE: Final = 1 << 20


class AddressTable:
    """Find and add addresses; each access reads some pages of the files, however many there are.

    The table is open-addressed with linear probing, and at most half full.
    """

    def __init__(self, directory: Path, count: int, salt: Salt) -> None:
        """Open the first `count` addresses; more of them, or an old table, are dropped."""
        self._list, self._slots = directory / "addresses", directory / "slots"
        self._salt = salt
        self._list.touch()
        wanted = count * ADDRESS_BYTES
        if self._list.stat().st_size != wanted:
            with self._list.open("r+b") as file:
                file.truncate(wanted)
            self._slots.unlink(missing_ok=True)
        self._map(count)
        if self._slots.exists():
            self._table = np.memmap(self._slots, np.uint32, mode="r+")
        else:
            self._rebuild()

    def __len__(self) -> int:
        return len(self._addresses)

    def numbered(self, addresses: Bytes) -> Indexes:
        """Return the number of each address (k, 20), all distinct; add those that are new."""
        hashes = hashes_of(addresses, self._salt)
        found = self._find(addresses, hashes)
        new = np.flatnonzero(found < 0)
        if len(new):
            found[new] = len(self) + np.arange(len(new))
            self._add(addresses[new], hashes[new])
        return found.astype(np.uint32)

    def close(self) -> None:
        """Write everything to the disk."""
        with self._list.open("rb") as file:
            os.fsync(file.fileno())
        self._table.flush()
        release(self._table, self._addresses)

    def _find(self, addresses: Bytes, hashes: Hashes) -> NDArray[np.int64]:
        found, texts = np.full(len(addresses), -1), texts_of(addresses)
        slots, pending = self._slots_of(hashes), np.arange(len(addresses))
        while len(pending):
            number = self._table[slots[pending]]
            known = number != _EMPTY
            pending, number = pending[known], number[known]
            same = texts_of(self._addresses[number]) == texts[pending]
            found[pending[same]] = number[same]
            pending = pending[~same]
            slots[pending] = (slots[pending] + 1) & (len(self._table) - 1)
        return found

    def _add(self, addresses: Bytes, hashes: Hashes) -> None:
        first = len(self)
        with self._list.open("ab") as file:
            np.ascontiguousarray(addresses).tofile(file)
        self._map(first + len(addresses))
        if 2 * len(self) > len(self._table):
            self._rebuild()
        else:
            self._insert(hashes, first)

    def _insert(self, hashes: Hashes, first: int) -> None:
        """Enter new addresses, numbered from `first`."""
        slots, pending = self._slots_of(hashes), np.arange(len(hashes))
        while len(pending):
            free = self._table[slots[pending]] == _EMPTY
            claims = pending[free]
            self._table[slots[claims]] = first + claims  # of equal slots, one claim remains
            lost = self._table[slots[claims]] != first + claims
            pending = np.concatenate((pending[~free], claims[lost]))
            slots[pending] = (slots[pending] + 1) & (len(self._table) - 1)

    def _rebuild(self) -> None:
        size = max(_LEAST_SLOTS, 1 << (4 * len(self)).bit_length())
        unfinished = self._slots.with_suffix(".new")
        self._table = np.memmap(unfinished, np.uint32, mode="w+", shape=(size,))
        self._table[:] = _EMPTY
        for start in range(0, len(self), _SLICE):
            part = self._addresses[start : start + _SLICE]
            self._insert(hashes_of(part, self._salt), start)
        unfinished.rename(self._slots)

    def _slots_of(self, hashes: Hashes) -> NDArray[np.int64]:
        return (hashes & np.uint64(len(self._table) - 1)).astype(np.int64)

    def _map(self, count: int) -> None:
        self._addresses = mapped(self._list, np.uint8, count, ADDRESS_BYTES)
