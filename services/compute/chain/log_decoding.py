"""Decode the logs of ERC-20 transfers, in the layouts that tokens use."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from compute.transfers import ADDRESS_BYTES, WORD_BYTES, Bytes, Transfers

TRANSFER: Final = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""Keccak-256 of `Transfer(address,address,uint256)`."""
ARGUMENTS: Final = 3
"""Sender, recipient and value: indexed ones in topics, then the others in the data."""
_DIGITS: Final = 2 * WORD_BYTES
_PADDING: Final = "0" * (_DIGITS - 2 * ADDRESS_BYTES)
_INDEXES: Final = 2**32

Log = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Row:
    """Represent one transfer; the words are hexadecimal digits."""

    block: int
    tx_hash: str
    place: tuple[int, int, int]
    """Index of the transaction, index of the log, and position in the response."""
    log_index: int | None
    """As the provider counts: within the block, or, at some, within the transaction."""
    words: Sequence[str]


def decode(logs: Sequence[Log], token: str, first: int, last: int) -> Transfers:
    """Decode this token's ERC-20 transfers; drop everything else that a provider may send."""
    found = [_row(each, n, first, last) for n, each in enumerate(logs) if _is_of(each, token)]
    rows = _numbered([row for row in found if row is not None])
    senders, recipients, values = ([row.words[n] for row in rows] for n in range(ARGUMENTS))
    return Transfers.of(
        block=[row.block for row in rows],
        log_index=[row.log_index for row in rows],
        tx=_bytes((row.tx_hash[2:] for row in rows), WORD_BYTES),
        sender=_bytes((word[-2 * ADDRESS_BYTES :] for word in senders), ADDRESS_BYTES),
        recipient=_bytes((word[-2 * ADDRESS_BYTES :] for word in recipients), ADDRESS_BYTES),
        value=_bytes(values, WORD_BYTES),
    )


def _is_of(log: Log, token: str) -> bool:
    return str(log["address"]).lower() == token and not log.get("removed")


def _row(log: Log, position: int, first: int, last: int) -> _Row | None:
    """Return a transfer; None for another event, or one that is not in these blocks.

    A pending log has no block number yet.
    """
    words = _arguments(log.get("topics") or (), log.get("data") or "0x")
    block = _number(log.get("blockNumber"))
    if words is None or block is None or not first <= block <= last:
        return None
    index = _number(log.get("logIndex"))
    place = (_number(log.get("transactionIndex")) or 0, index or 0, position)
    return _Row(block, str(log["transactionHash"]).lower(), place, index, words)


def _number(quantity: str | None) -> int | None:
    return None if quantity is None else int(quantity, 16)


def _arguments(topics: Sequence[str], data: str) -> Sequence[str] | None:
    """Return the words of sender, recipient and value; None if this is no ERC-20 transfer.

    The standard has indexed addresses; older tokens have one, or none. An ERC-721 transfer has the
    same event, with all three arguments in topics.
    """
    if not 1 <= len(topics) <= ARGUMENTS or topics[0].lower() != TRANSFER:
        return None
    indexed = [topic[2:] for topic in topics[1:]]
    missing = ARGUMENTS - len(indexed)
    rest = [data[2 + _DIGITS * n : 2 + _DIGITS * (n + 1)] for n in range(missing)]
    addresses = rest[:-1]
    if len(rest[-1]) < _DIGITS or not all(word.startswith(_PADDING) for word in addresses):
        return None
    return [*indexed, *rest]


def _numbered(rows: Sequence[_Row]) -> list[_Row]:
    """Give each log of a block another index; the same log, sent twice, keeps its index.

    A log is identified by its transaction and its place there. Where two transactions of a block
    have logs with the same index, or an index is missing, the logs are numbered again.
    """
    by_block: dict[int, dict[tuple[str, int], _Row]] = {}
    for row in rows:
        index = row.place[2] if row.log_index is None else row.log_index
        by_block.setdefault(row.block, {}).setdefault((row.tx_hash, index), row)
    return [row for block in by_block.values() for row in _in_block(block)]


def _in_block(rows: Mapping[tuple[str, int], _Row]) -> Iterable[_Row]:
    indexes = {row.log_index for row in rows.values()}
    usable = all(index is not None and index < _INDEXES for index in indexes)
    if usable and len(indexes) == len(rows):
        return rows.values()
    ordered = sorted(rows.values(), key=lambda row: row.place)
    return [replace(row, log_index=n) for n, row in enumerate(ordered)]


def _bytes(texts: Iterable[str], width: int) -> Bytes:
    return np.frombuffer(bytes.fromhex("".join(texts)), np.uint8).reshape(-1, width)
