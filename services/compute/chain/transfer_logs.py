"""Read all transfers of a token in a range of blocks, in windows that each provider accepts.

Providers limit a query by its blocks, its results, its bytes or its time, each with its own error
message. A rejected query is repeated for fewer blocks; the message is only a hint, and never a
reason to ask for as many again. A single block that is rejected is read from its receipts, and so
are all that follow if an endpoint rejects every query for logs.
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from compute.chain.log_decoding import TRANSFER, Log, decode
from compute.chain.rejections import RpcError
from compute.chain.rpc import Call, RpcClient
from compute.transfers import TransferRange

FIRST_WINDOW: Final = 2_000
MAX_WINDOW: Final = 500_000
FEW_RESULTS: Final = 5_000
"""Results below which a window may grow."""
SPARSE_RESULTS: Final = 1_000
"""Results below which a rejected size is tried again sooner."""
REFUSED: Final = 3
"""Single blocks in a row whose logs are rejected, after which receipts are read at once."""
RECEIPT_BLOCKS: Final = 20
"""Blocks whose receipts are read together."""
LOGS_AGAIN: Final = 1_000
"""Blocks read from receipts after which logs are asked for again."""
MAX_RECEIPT_BLOCKS: Final = 50_000
"""Blocks that are read from their receipts, one call each, at most."""
_PAIR = re.compile(r"(0x[0-9a-fA-F]+|\b\d+)\s*(?:,|-|to|\.\.)\s*(0x[0-9a-fA-F]+|\d+)\b")
_LIMIT = re.compile(
    r"(?:limit(?:ed)?|max(?:imum)?|up to|at most|exceeds?|than)\D{0,40}?(\d[\d,_]*)", re.IGNORECASE
)


class LogsRefused(Exception):
    """Report that the endpoints reject queries for logs, and what else there is takes too long."""


@dataclass(slots=True)
class Window:
    """Adapt the number of blocks per query: grow on few results, shrink on every rejection."""

    size: int = FIRST_WINDOW
    limit: int = MAX_WINDOW
    """The most blocks that the provider has said it accepts."""
    rejected: int = MAX_WINDOW + 1
    """A size that was rejected recently."""
    refused: int = 0
    """Single blocks in a row whose logs were rejected."""
    _since: int = 0
    """Queries since that rejection."""
    _from_receipts: int = 0
    """Blocks read from receipts since logs were asked for."""

    @property
    def by_receipts(self) -> bool:
        """True if the endpoints reject every query for logs."""
        return self.refused >= REFUSED

    def read_from_receipts(self, blocks: int) -> None:
        """Count blocks that were read from receipts; ask for logs again after a while."""
        self._from_receipts += blocks
        if self._from_receipts >= LOGS_AGAIN:
            self.refused, self._from_receipts = REFUSED - 1, 0

    def shrink(self, asked: int, hint: int | None, *, hard: bool) -> None:
        """Adapt after a query of `asked` blocks (more than one) was rejected.

        `hint` is a size that the provider suggested; `hard` says that it holds everywhere.
        """
        self.size = max(1, hint if hint is not None and hint < asked else asked // 2)
        if hard:
            self.limit = max(1, min(self.limit, self.size))
        self.rejected, self._since = asked, 0

    def grow(self, asked: int, results: int) -> None:
        """Adapt after a successful query; a rejected size is tried again after a while."""
        self._since += 1
        if self._since >= (2 if results < SPARSE_RESULTS else 8):
            self.rejected, self._since = MAX_WINDOW + 1, 0
        if results < FEW_RESULTS and asked == self.size and self.size * 2 < self.rejected:
            self.size = min(self.size * 2, self.limit)


async def read_transfers(
    rpc: RpcClient, token: str, first: int, last: int, window: Window | None = None
) -> AsyncIterator[TransferRange]:
    """Yield consecutive ranges, without gaps, from block `first` to block `last`.

    Raises:
        LogsRefused: the endpoints reject queries for logs, and there are too many blocks.
        RpcError: a single block is rejected, and its receipts too.
        Unreachable: no endpoint responds.
    """
    window = window or Window()
    at = first
    while at <= last:
        if window.by_receipts:
            read = await _from_receipts(rpc, token, at, last)
            window.read_from_receipts(read.to_block - at + 1)
        else:
            found = await _from_logs(rpc, token, at, last, window)
            if found is None:
                continue
            read = found
        yield read
        at = read.to_block + 1


async def _from_logs(
    rpc: RpcClient, token: str, at: int, last: int, window: Window
) -> TransferRange | None:
    """Return the transfers of a window of blocks; None if it is rejected, and smaller now."""
    to = min(at + window.size - 1, last)
    end, logs = await _query(rpc, token, at, to)
    if isinstance(logs, RpcError):
        if to > at:
            hint, hard = suggested_size(logs.message, at, to)
            window.shrink(to - at + 1, hint, hard=hard)
            return None
        window.refused += 1
        logs = await logs_from_receipts(rpc, token, at)
    else:
        window.refused = 0
    window.grow(to - at + 1, len(logs))
    return TransferRange(at, to, end["hash"], decode(logs, token, at, to))


async def _query(
    rpc: RpcClient, token: str, at: int, to: int
) -> tuple[Log, "list[Log] | RpcError"]:
    """Return the last block and the logs, from the same endpoint.

    An endpoint that does not have the last block yet would silently return fewer logs.
    """
    query = {
        "address": token,
        "topics": [TRANSFER],
        "fromBlock": hex(at),
        "toBlock": hex(to),
    }
    calls: list[Call] = [
        ("eth_getBlockByNumber", (hex(to), False)),
        ("eth_getLogs", (query,)),
    ]
    end, logs = await rpc.together(calls, _is_one_branch)
    return end, logs


def _is_one_branch(results: Sequence[Any]) -> bool:
    """Return True if the last block is there, and its logs are those of this very block."""
    end, logs = results
    if not isinstance(end, dict):
        return False
    found = logs if isinstance(logs, list) else []
    hashes = (each.get("blockHash") for each in found if each.get("blockNumber") == end["number"])
    return all(each in (None, end["hash"]) for each in hashes)


async def _from_receipts(rpc: RpcClient, token: str, at: int, last: int) -> TransferRange:
    """Return the transfers of a few blocks from their receipts.

    Raises:
        LogsRefused: there are too many blocks, or the endpoints have no receipts of them.
    """
    if last - at + 1 > MAX_RECEIPT_BLOCKS:
        raise LogsRefused(
            "The provider of this chain rejects queries for transfers (eth_getLogs), and "
            f"{last - at + 1} blocks are too many to read one by one. Another endpoint is needed."
        )
    to = min(at + RECEIPT_BLOCKS - 1, last)
    calls: list[Call] = [("eth_getBlockByNumber", (hex(to), False))]
    calls += [("eth_getBlockReceipts", (hex(number),)) for number in range(at, to + 1)]
    end, *receipts = await rpc.together(calls, lambda results: isinstance(results[0], dict))
    if not all(isinstance(each, list) for each in receipts):
        raise LogsRefused(
            "The provider of this chain rejects queries for transfers (eth_getLogs) and for the "
            "receipts of a block (eth_getBlockReceipts). Another endpoint is needed."
        )
    logs = [log for block in receipts for receipt in block for log in receipt["logs"]]
    return TransferRange(at, to, end["hash"], decode(logs, token, at, to))


def suggested_size(message: str, at: int, to: int) -> tuple[int | None, bool]:
    """Return the number of blocks that an error message suggests, and whether it is a hard limit.

    Only a suggestion of fewer blocks than were asked for counts; None otherwise. A range that
    begins at `at` holds here only; a number next to words like `limited to` holds everywhere.
    """
    asked = to - at + 1
    for pair in _PAIR.finditer(message):
        begin, end = (
            int(text, 0) if text.startswith("0x") else int(text) for text in pair.groups()
        )
        if begin == at and at <= end < to:
            return end - at + 1, False
    if "result" in message.lower() or "log" in message.lower().replace("eth_getlogs", ""):
        return None, False  # the number counts results, not blocks
    limits = [int(re.sub(r"\D", "", found)) for found in _LIMIT.findall(message)]
    fitting = [limit for limit in limits if 0 < limit < asked]
    return (max(fitting), True) if fitting else (None, False)


async def logs_from_receipts(rpc: RpcClient, token: str, block: int) -> list[Log]:
    """Return a block's logs from its receipts, all at once or one by one.

    Raises:
        RpcError: the endpoints have no receipts of the block.
    """
    (receipts,) = await rpc.batch([("eth_getBlockReceipts", (hex(block),))])
    if not isinstance(receipts, list):
        hashes = (await rpc.block(block) or {}).get("transactions", ())
        receipts = await rpc.call_all([("eth_getTransactionReceipt", (each,)) for each in hashes])
    if None in receipts:
        raise RpcError(0, f"the receipts of block {block} are missing")
    logs = [each for receipt in receipts for each in receipt["logs"]]
    return [each for each in logs if str(each["address"]).lower() == token]
