"""Represent the transfers of one token as columns: the form that is read, stored and analysed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ADDRESS_BYTES = 20
WORD_BYTES = 32

Bytes = NDArray[np.uint8]
Indexes = NDArray[np.uint32]


class TransferRow(NamedTuple):
    """Represent one `Transfer` log; addresses and hashes are lower-case hexadecimal."""

    block: int
    log_index: int
    tx_hash: str
    sender: str
    recipient: str
    value: int
    """In the token's smallest unit."""


@dataclass(frozen=True, eq=False)
class Transfers:
    """Represent `n` transfers among `a` addresses, ordered by block and log index.

    Each address is stored once, in `addresses`; rows refer to it by its index there. So the first
    rows of a table need the first addresses only, and rows can be appended without a change to
    those before them. The columns are arrays in memory or mapped files.
    """

    addresses: Bytes
    """(a, 20), distinct, in order of appearance: by row, the sender before the recipient."""
    block: NDArray[np.uint64]
    """(n,) block numbers."""
    log_index: NDArray[np.uint32]
    """(n,) position of each log within its block."""
    tx: Bytes
    """(n, 32) transaction hashes."""
    sender: Indexes
    """(n,) indexes into `addresses`."""
    recipient: Indexes
    """(n,) indexes into `addresses`."""
    digits: tuple[NDArray[np.uint32], ...]
    """The amounts in the token's smallest unit: digits (n,) of base 2^32, the lowest first.

    High digits that are zero in all rows are left out; amounts have up to eight.
    """

    def __len__(self) -> int:
        return len(self.block)

    @property
    def scratch(self) -> Path | None:
        """Return the directory for intermediate results; None: they are kept in memory."""
        return None

    @classmethod
    def of(
        cls, *, block: Any, log_index: Any, tx: Bytes, sender: Bytes, recipient: Bytes, value: Bytes
    ) -> "Transfers":
        """Build from columns of raw bytes in any order; a repeated log counts once.

        Args:
            block: (n,) block numbers.
            log_index: (n,) position of each log within its block.
            tx: (n, 32) transaction hashes.
            sender: (n, 20) addresses.
            recipient: (n, 20) addresses.
            value: (n, 32) big-endian amounts.
        """
        order = _order(np.asarray(block, np.uint64), np.asarray(log_index, np.uint32), tx)
        ends = np.stack((sender[order], recipient[order]), axis=1).reshape(-1, ADDRESS_BYTES)
        addresses, index = _numbered(ends)
        return cls(
            addresses=addresses,
            block=np.asarray(block, np.uint64)[order],
            log_index=np.asarray(log_index, np.uint32)[order],
            tx=tx[order],
            sender=np.ascontiguousarray(index[::2]),
            recipient=np.ascontiguousarray(index[1::2]),
            digits=_digits(value[order]),
        )

    @classmethod
    def of_rows(cls, rows: Iterable[TransferRow]) -> "Transfers":
        """Build from single rows, in any order."""
        rows = list(rows)
        return cls.of(
            block=[row.block for row in rows],
            log_index=[row.log_index for row in rows],
            tx=_bytes([row.tx_hash for row in rows], WORD_BYTES),
            sender=_bytes([row.sender for row in rows], ADDRESS_BYTES),
            recipient=_bytes([row.recipient for row in rows], ADDRESS_BYTES),
            value=_words([row.value for row in rows]),
        )

    @classmethod
    def concatenate(cls, parts: Sequence["Transfers"]) -> "Transfers":
        """Combine several parts of the same token's transfers."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.of_rows(())
        return cls.of(
            block=np.concatenate([part.block for part in parts]),
            log_index=np.concatenate([part.log_index for part in parts]),
            tx=np.concatenate([part.tx for part in parts]),
            sender=np.concatenate([part.addresses[part.sender] for part in parts]),
            recipient=np.concatenate([part.addresses[part.recipient] for part in parts]),
            value=np.concatenate([part.value for part in parts]),
        )

    @property
    def value(self) -> Bytes:
        """Return the amounts as the log has them: (n, 32) bytes, big-endian."""
        words = np.zeros((len(self), WORD_BYTES // 4), ">u4")
        for n, digit in enumerate(self.digits, start=1):
            words[:, -n] = digit
        return words.view(np.uint8)

    def release(self) -> None:
        """Let the system forget the pages that were read, if the columns are mapped files."""

    def until(self, block: int) -> "Transfers":
        """Return the transfers up to and including this block."""
        count = int(np.searchsorted(self.block, np.uint64(block), side="right"))
        return self if count == len(self) else self.first(count)

    def first(self, count: int) -> "Transfers":
        """Return the first `count` rows."""
        sender, recipient = self.sender[:count], self.recipient[:count]
        known = 1 + max(int(sender.max()), int(recipient.max())) if count else 0
        return Transfers(
            self.addresses[:known],
            self.block[:count],
            self.log_index[:count],
            self.tx[:count],
            sender,
            recipient,
            tuple(digit[:count] for digit in self.digits),
        )

    def slices(self, rows: int) -> Iterator[slice]:
        """Yield consecutive slices of at most this many rows; release each afterwards."""
        for start in range(0, len(self), rows):
            yield slice(start, min(start + rows, len(self)))
            self.release()

    @cached_property
    def transaction_starts(self) -> NDArray[np.int64]:
        """Return the row at which each transaction starts; its rows follow each other."""
        words, starts = self.tx.view(np.uint64), [np.zeros(min(1, len(self)), np.int64)]
        for part in self.slices(1 << 20):
            first = max(0, part.start - 1)
            hashes = words[first : part.stop]
            fresh = (hashes[1:] != hashes[:-1]).any(axis=1)
            starts.append(np.flatnonzero(fresh) + first + 1)
        return np.concatenate(starts)

    def address(self, index: int) -> str:
        """Return the address at an index, in lower case."""
        return f"0x{self.addresses[index].tobytes().hex()}"

    def all_addresses(self) -> list[str]:
        """Return all addresses in lower case, by index."""
        text, width = self.addresses.tobytes().hex(), 2 * ADDRESS_BYTES
        return [f"0x{text[at : at + width]}" for at in range(0, len(text), width)]

    def tx_hash(self, row: int) -> str:
        """Return the transaction hash of a row."""
        return f"0x{self.tx[row].tobytes().hex()}"

    def amount(self, row: int) -> int:
        """Return the amount of a row, in the token's smallest unit."""
        return sum(int(digit[row]) << (32 * n) for n, digit in enumerate(self.digits))


@dataclass(frozen=True, slots=True, eq=False)
class TransferRange:
    """Represent all transfers of a token in a range of blocks."""

    from_block: int
    to_block: int
    """The last block of the range, inclusive."""
    end_hash: str
    """The hash of `to_block`."""
    transfers: Transfers

    @classmethod
    def concatenate(cls, ranges: Sequence["TransferRange"]) -> "TransferRange":
        """Combine consecutive ranges; at least one."""
        transfers = Transfers.concatenate([each.transfers for each in ranges])
        return cls(ranges[0].from_block, ranges[-1].to_block, ranges[-1].end_hash, transfers)


def texts_of(addresses: Bytes) -> NDArray[np.bytes_]:
    """View addresses (n, 20) as (n,) byte strings, which numpy compares and sorts."""
    return np.ascontiguousarray(addresses).view(f"S{ADDRESS_BYTES}").ravel()


def _order(block: NDArray[np.uint64], log_index: NDArray[np.uint32], tx: Bytes) -> Any:
    """Return the order by block and log index; of a repeated log, the first row.

    Some endpoints count logs by transaction: two logs of a block are the same if their
    transactions are, too.
    """
    later = log_index[1:] > log_index[:-1]
    if ((block[1:] > block[:-1]) | ((block[1:] == block[:-1]) & later)).all():
        return np.arange(len(block))
    hashes = np.ascontiguousarray(tx).view(np.uint64)
    order = np.lexsort((*hashes.T, log_index, block))
    ordered = (block[order], log_index[order], *hashes[order].T)
    unique = np.ones(len(order), bool)
    unique[1:] = np.any([column[1:] != column[:-1] for column in ordered], axis=0)
    return order[unique]


def _numbered(ends: Bytes) -> tuple[Bytes, Indexes]:
    """Return the distinct addresses in order of appearance, and the index of each row's."""
    distinct, first, inverse = np.unique(texts_of(ends), return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty(len(order), np.uint32)
    number[order] = np.arange(len(order), dtype=np.uint32)
    return distinct[order].view(np.uint8).reshape(-1, ADDRESS_BYTES), number[inverse]


def _digits(value: Bytes) -> tuple[NDArray[np.uint32], ...]:
    """Return the digits of amounts (n, 32); at least one, without high digits that are all zero."""
    words = np.ascontiguousarray(value).view(">u4")[:, ::-1]
    used = 1 + max((n for n in range(words.shape[1]) if words[:, n].any()), default=0)
    return tuple(words[:, n].astype(np.uint32) for n in range(used))


def _bytes(texts: Sequence[str], width: int) -> Bytes:
    joined = b"".join(bytes.fromhex(text.removeprefix("0x")) for text in texts)
    return np.frombuffer(joined, np.uint8).reshape(-1, width)


def _words(values: Sequence[int]) -> Bytes:
    joined = b"".join(value.to_bytes(WORD_BYTES, "big") for value in values)
    return np.frombuffer(joined, np.uint8).reshape(-1, WORD_BYTES)
