"""Read all transfers of a token in a range of blocks, in windows that each provider accepts.

Providers limit a query by its blocks, its results, its bytes or its time, each with its own error
message. A rejected query is repeated for fewer blocks; the message is only a hint, and never a
reason to ask for as many again. A single block that is rejected is read from its receipts.
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from compute.chain.rejections import RpcError
from compute.chain.rpc import RpcClient
from compute.transfers import ADDRESS_BYTES, WORD_BYTES, Bytes, TransferRange, Transfers

TRANSFER: Final = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""Keccak-256 of `Transfer(address,address,uint256)`."""
FIRST_WINDOW: Final = 2_000
MAX_WINDOW: Final = 500_000
FEW_RESULTS: Final = 5_000
"""Results below which a window may grow."""
SPARSE_RESULTS: Final = 1_000
"""Results below which a rejected size is tried again sooner."""
TOPICS: Final = 3
"""The event and its two indexed addresses; an ERC-721 transfer has a fourth topic."""
_PAIR = re.compile(r"(0x[0-9a-fA-F]+|\b\d+)\s*(?:,|-|to|\.\.)\s*(0x[0-9a-fA-F]+|\d+)\b")
_LIMIT = re.compile(
    r"(?:limit(?:ed)?|max(?:imum)?|up to|at most|exceeds?|than)\D{0,40}?(\d[\d,_]*)", re.IGNORECASE
)

Log = dict[str, Any]


@dataclass(slots=True)
class Window:
    """Adapt the number of blocks per query: grow on few results, shrink on every rejection."""

    size: int = FIRST_WINDOW
    limit: int = MAX_WINDOW
    """The most blocks that the provider has said it accepts."""
    rejected: int = MAX_WINDOW + 1
    """A size that was rejected recently."""
    _since: int = 0
    """Queries since that rejection."""

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
        RpcError: a single block is rejected, and its receipts too.
        Unreachable: no endpoint responds.
    """
    window = window or Window()
    at = first
    while at <= last:
        to = min(at + window.size - 1, last)
        end, logs = await _query(rpc, token, at, to)
        if isinstance(logs, RpcError):
            if to > at:
                hint, hard = suggested_size(logs.message, at, to)
                window.shrink(to - at + 1, hint, hard=hard)
                continue
            logs = await logs_from_receipts(rpc, token, at)
        yield TransferRange(at, to, end["hash"], decode(logs, token, at, to))
        window.grow(to - at + 1, len(logs))
        at = to + 1


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
    calls = [("eth_getBlockByNumber", (hex(to), False)), ("eth_getLogs", (query,))]
    end, logs = await rpc.together(calls, lambda results: isinstance(results[0], dict))
    if not isinstance(logs, (list, RpcError)):
        logs = RpcError(0, "the response is not a list of logs")
    return end, logs


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
    """Return a block's logs from its receipts, all at once or one by one."""
    try:
        receipts = await rpc.call("eth_getBlockReceipts", hex(block))
    except RpcError:
        hashes = (await rpc.block(block) or {}).get("transactions", ())
        receipts = await rpc.call_all([("eth_getTransactionReceipt", (each,)) for each in hashes])
    logs = [each for receipt in receipts for each in receipt["logs"]]
    return [each for each in logs if each["address"].lower() == token]


def decode(logs: Sequence[Log], token: str, first: int, last: int) -> Transfers:
    """Decode this token's ERC-20 transfers; drop everything else that a provider may send."""
    valid = [each for each in logs if _is_transfer(each, token, first, last)]
    return Transfers.of(
        block=[int(each["blockNumber"], 16) for each in valid],
        log_index=[int(each["logIndex"], 16) for each in valid],
        tx=_rows([each["transactionHash"] for each in valid], WORD_BYTES),
        sender=_rows([each["topics"][1][-40:] for each in valid], ADDRESS_BYTES),
        recipient=_rows([each["topics"][2][-40:] for each in valid], ADDRESS_BYTES),
        value=_rows([each["data"][2:66] for each in valid], WORD_BYTES),
    )


def _is_transfer(each: Log, token: str, first: int, last: int) -> bool:
    topics: Sequence[str] = each.get("topics") or ()
    data: str = each.get("data") or ""
    return (
        len(topics) == TOPICS
        and topics[0] == TRANSFER
        and each["address"].lower() == token
        and not each.get("removed")
        and len(data) >= 2 + 2 * WORD_BYTES
        and first <= int(each["blockNumber"], 16) <= last
    )


def _rows(texts: Sequence[str], width: int) -> Bytes:
    packed = bytes.fromhex("".join(text.removeprefix("0x") for text in texts))
    return np.frombuffer(packed, np.uint8).reshape(-1, width)
