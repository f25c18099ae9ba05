"""Transfers of one token as columns: what is fetched, kept and analysed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ADDRESS_BYTES = 20
WORD_BYTES = 32

Bytes = NDArray[np.uint8]


class Row(NamedTuple):
    """One `Transfer` log as people write it."""

    block: int
    log_index: int
    tx_hash: str
    sender: str
    recipient: str
    value: int


@dataclass(frozen=True, slots=True, eq=False)
class Transfers:
    """`n` transfers among `a` addresses, in the order of the chain: by block, then log index.

    An address stands once in `addresses`, and in a row by its place there. A value is the log's own
    word, big-endian: an amount has 256 bits, and no number type of numpy holds them.
    """

    addresses: Bytes
    """(a, 20), distinct, in ascending order."""
    block: NDArray[np.uint64]
    """(n,)"""
    log_index: NDArray[np.uint32]
    """(n,)"""
    tx: Bytes
    """(n, 32) transaction hash."""
    sender: NDArray[np.uint32]
    """(n,) place in `addresses`."""
    recipient: NDArray[np.uint32]
    """(n,) place in `addresses`."""
    value: Bytes
    """(n, 32) big-endian, in the token's smallest unit."""

    def __len__(self) -> int:
        return len(self.block)

    @classmethod
    def of(
        cls, *, block: Any, log_index: Any, tx: Bytes, sender: Bytes, recipient: Bytes, value: Bytes
    ) -> "Transfers":
        """From columns of raw bytes, in any order; a log that is there twice counts once.

        Args:
            block: (n,) block numbers.
            log_index: (n,) log's place in its block.
            tx: (n, 32) transaction hashes.
            sender: (n, 20) addresses.
            recipient: (n, 20) addresses.
            value: (n, 32) big-endian amounts.
        """
        blocks, indexes = np.asarray(block, np.uint64), np.asarray(log_index, np.uint32)
        order = np.lexsort((indexes, blocks))
        blocks, indexes = blocks[order], indexes[order]
        fresh = np.ones(len(order), bool)
        fresh[1:] = (blocks[1:] != blocks[:-1]) | (indexes[1:] != indexes[:-1])
        order = order[fresh]
        both = np.ascontiguousarray(np.concatenate((sender[order], recipient[order])))
        distinct, inverse = np.unique(_names(both), return_inverse=True)
        places: NDArray[np.uint32] = inverse.astype(np.uint32)
        count = len(order)
        return cls(
            addresses=distinct.view(np.uint8).reshape(-1, ADDRESS_BYTES),
            block=blocks[fresh],
            log_index=indexes[fresh],
            tx=tx[order],
            sender=places[:count],
            recipient=places[count:],
            value=value[order],
        )

    @classmethod
    def of_rows(cls, rows: Iterable[Row]) -> "Transfers":
        kept = list(rows)
        return cls.of(
            block=[row.block for row in kept],
            log_index=[row.log_index for row in kept],
            tx=_bytes([row.tx_hash for row in kept], WORD_BYTES),
            sender=_bytes([row.sender for row in kept], ADDRESS_BYTES),
            recipient=_bytes([row.recipient for row in kept], ADDRESS_BYTES),
            value=_words([row.value for row in kept]),
        )

    @classmethod
    def joined(cls, parts: Sequence["Transfers"]) -> "Transfers":
        """One after the other: segments of one token."""
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
        """Those up to and with this block."""
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

    def name(self, place: int) -> str:
        """The address at a place, in lower case."""
        return f"0x{self.addresses[place].tobytes().hex()}"

    def names(self) -> list[str]:
        """All addresses, by place."""
        text, width = self.addresses.tobytes().hex(), 2 * ADDRESS_BYTES
        return [f"0x{text[at : at + width]}" for at in range(0, len(text), width)]

    def tx_hash(self, row: int) -> str:
        return f"0x{self.tx[row].tobytes().hex()}"

    def amount(self, row: int) -> int:
        return int.from_bytes(self.value[row].tobytes(), "big")


def _names(rows: Bytes) -> NDArray[Any]:
    """Rows of bytes as single values that sort like text and keep their trailing zeros."""
    return rows.reshape(-1, ADDRESS_BYTES).view(np.dtype((np.void, ADDRESS_BYTES))).ravel()


def _bytes(texts: Sequence[str], width: int) -> Bytes:
    joined = b"".join(bytes.fromhex(text.removeprefix("0x")) for text in texts)
    return np.frombuffer(joined, np.uint8).reshape(-1, width)


def _words(values: Sequence[int]) -> Bytes:
    joined = b"".join(value.to_bytes(WORD_BYTES, "big") for value in values)
    return np.frombuffer(joined, np.uint8).reshape(-1, WORD_BYTES)
