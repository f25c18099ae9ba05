"""Look addresses up by their number, and numbers by their address, in millions of rows."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from compute.transfers import ADDRESS_BYTES, Bytes, texts_of

Hashes = NDArray[np.uint64]
Salt = tuple[int, int, int]
_SAMPLED: Final = 65_536
_SLICE: Final = 1 << 18
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)


def salt_of(addresses: Bytes) -> Salt:
    """Return factors for `hashes_of` that depend on the addresses (a, 20).

    Any caller can make a token log a transfer to an address of their choice, so that addresses
    with equal hashes could be chosen if the factors were the same for all tokens.
    """
    step = 1 + len(addresses) // _SAMPLED
    digest = hashlib.sha256(np.ascontiguousarray(addresses[::step]).tobytes()).digest()
    one, two, three = (int.from_bytes(digest[at : at + 8], "big") | 1 for at in (0, 8, 16))
    return one, two, three


def hashes_of(addresses: Bytes, salt: Salt) -> Hashes:
    """Return a hash of each address (k, 20)."""
    words = np.ascontiguousarray(addresses).view(np.uint32).astype(np.uint64)
    one, two, three = (np.uint64(factor) for factor in salt)
    mixed = _mixed((words[:, 0] | (words[:, 1] << _HALF)) * one)
    mixed = _mixed((mixed ^ words[:, 2] ^ (words[:, 3] << _HALF)) * two)
    return _mixed((mixed ^ words[:, 4]) * three)


def _mixed(values: Hashes) -> Hashes:
    values = (values ^ (values >> _HALF)) * _MIX
    return values ^ (values >> _HALF)


def text(address: bytes) -> str:
    """Return an address as lower-case hexadecimal."""
    return f"0x{address.hex()}"


class AddressBook(Sequence[str]):
    """Number addresses: those of the transfers first, then others in the order given."""

    def __init__(self, addresses: Bytes, others: Iterable[str] = ()) -> None:
        """Create a book of addresses (a, 20) and others, which must not repeat one of them."""
        self._addresses = addresses
        self._others = list(others)
        self._numbers: dict[str, int | None] = {
            each: len(addresses) + n for n, each in enumerate(self._others)
        }
        """What was looked up so far."""

    def __len__(self) -> int:
        return len(self._addresses) + len(self._others)

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[str]: ...
    def __getitem__(self, number: int | slice) -> str | Sequence[str]:
        """Return the address with a number, in lower case."""
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(len(self)))]
        if number < len(self._addresses):
            return text(self._addresses[number].tobytes())
        return self._others[number - len(self._addresses)]

    def extended(self, others: Iterable[str]) -> "AddressBook":
        """Return a book that numbers further addresses, each of them once, after these."""
        book = AddressBook(self._addresses, [*self._others, *others])
        book.__dict__["_sorted"] = self._sorted
        return book

    @property
    def by_address(self) -> "AddressIndex":
        """Return the numbers by address."""
        return AddressIndex(self)

    def number(self, address: str) -> int | None:
        """Return the number of an address; None if it is not in the book."""
        return self.numbers([address])[0]

    def numbers(self, addresses: Sequence[str]) -> list[int | None]:
        """Return the number of each address; None if it is not in the book."""
        new = [each for each in dict.fromkeys(addresses) if each not in self._numbers]
        if new:
            wanted = np.frombuffer(b"".join(bytes.fromhex(each[2:]) for each in new), np.uint8)
            found = self._found(wanted.reshape(-1, ADDRESS_BYTES)).tolist()
            self._numbers.update(
                (a, n if n >= 0 else None) for a, n in zip(new, found, strict=True)
            )
        return [self._numbers[each] for each in addresses]

    def _found(self, wanted: Bytes) -> NDArray[np.int64]:
        """Return the index of each address (k, 20) among those of the transfers, or -1."""
        salt, hashes, order = self._sorted
        found = np.full(len(wanted), -1)
        texts, own = texts_of(wanted), hashes_of(wanted, salt)
        at = np.searchsorted(hashes, own)
        pending = np.flatnonzero(at < len(hashes))
        while len(pending):  # more than once only if hashes are equal
            pending = pending[hashes[at[pending]] == own[pending]]
            number = order[at[pending]]
            same = texts_of(self._addresses[number]) == texts[pending]
            found[pending[same]] = number[same]
            at[pending] += 1
            pending = pending[~same & (at[pending] < len(hashes))]
        return found

    @cached_property
    def _sorted(self) -> tuple[Salt, Hashes, NDArray[np.uint32]]:
        salt = salt_of(self._addresses)
        hashes = np.empty(len(self._addresses), np.uint64)
        for start in range(0, len(hashes), _SLICE):
            part = slice(start, start + _SLICE)
            hashes[part] = hashes_of(self._addresses[part], salt)
        order = np.argsort(hashes).astype(np.uint32)
        return salt, hashes[order], order


class AddressIndex(Mapping[str, int]):
    """Present an `AddressBook` as a mapping from address to number."""

    def __init__(self, book: AddressBook) -> None:
        """Present this book."""
        self._book = book

    def __len__(self) -> int:
        return len(self._book)

    def __iter__(self) -> Iterator[str]:
        return iter(self._book)

    def __getitem__(self, address: str) -> int:
        """Return the number of an address."""
        number = self._book.number(address)
        if number is None:
            raise KeyError(address)
        return number
