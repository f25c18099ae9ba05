"""Represent the transfers of one token as columns: the form that is read, stored and analysed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ADDRESS_BYTES = 20
WORD_BYTES = 32

Bytes = NDArray[np.uint8]


class TransferRow(NamedTuple):
    """Represent one `Transfer` log; addresses and hashes are lower-case hexadecimal."""

    block: int
    log_index: int
    tx_hash: str
    sender: str
    recipient: str
    value: int
    """In the token's smallest unit."""


@dataclass(frozen=True, slots=True, eq=False)
class Transfers:
    """Represent `n` transfers among `a` addresses, ordered by block and log index.

    Each address is stored once, in `addresses`; rows refer to it by its index there. A value is
    the big-endian word of the log: amounts have 256 bits, more than any numpy number type holds.
    """

    addresses: Bytes
    """(a, 20), distinct, in ascending order."""
    block: NDArray[np.uint64]
    """(n,) block numbers."""
    log_index: NDArray[np.uint32]
    """(n,) position of each log within its block."""
    tx: Bytes
    """(n, 32) transaction hashes."""
    sender: NDArray[np.uint32]
    """(n,) indexes into `addresses`."""
    recipient: NDArray[np.uint32]
    """(n,) indexes into `addresses`."""
    value: Bytes
    """(n, 32) big-endian amounts, in the token's smallest unit."""

    def __len__(self) -> int:
        return len(self.block)

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
        blocks, indexes = np.asarray(block, np.uint64), np.asarray(log_index, np.uint32)
        order = np.lexsort((indexes, blocks))
        blocks, indexes = blocks[order], indexes[order]
        unique = np.ones(len(order), bool)
        unique[1:] = (blocks[1:] != blocks[:-1]) | (indexes[1:] != indexes[:-1])
        order = order[unique]
        both = np.ascontiguousarray(np.concatenate((sender[order], recipient[order])))
        distinct, inverse = np.unique(_as_sortable(both), return_inverse=True)
        index: NDArray[np.uint32] = inverse.astype(np.uint32)
        count = len(order)
        return cls(
            addresses=distinct.view(np.uint8).reshape(-1, ADDRESS_BYTES),
            block=blocks[unique],
            log_index=indexes[unique],
            tx=tx[order],
            sender=index[:count],
            recipient=index[count:],
            value=value[order],
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

    def until(self, block: int) -> "Transfers":
        """Return the transfers up to and including this block."""
        count = int(np.searchsorted(self.block, np.uint64(block), side="right"))
        if count == len(self):
            return self
        return Transfers.of(
            block=self.block[:count],
            log_index=self.log_index[:count],
            tx=self.tx[:count],
            sender=self.addresses[self.sender[:count]],
            recipient=self.addresses[self.recipient[:count]],
            value=self.value[:count],
        )

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
        return int.from_bytes(self.value[row].tobytes(), "big")


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


def _as_sortable(rows: Bytes) -> NDArray[Any]:
    """View rows of bytes as single values that sort like text and keep their trailing zeros."""
    return rows.reshape(-1, ADDRESS_BYTES).view(np.dtype((np.void, ADDRESS_BYTES))).ravel()


def _bytes(texts: Sequence[str], width: int) -> Bytes:
    joined = b"".join(bytes.fromhex(text.removeprefix("0x")) for text in texts)
    return np.frombuffer(joined, np.uint8).reshape(-1, width)


def _words(values: Sequence[int]) -> Bytes:
    joined = b"".join(value.to_bytes(WORD_BYTES, "big") for value in values)
    return np.frombuffer(joined, np.uint8).reshape(-1, WORD_BYTES)
