"""All transfers of a token in a range of blocks, in windows that each provider will answer.

Providers limit a query by its blocks, its results, its bytes or its time, each in words of its own.
Whatever is refused is asked again for less; the words are a hint, and never an excuse to ask for as
much again. A single block that is refused is read from its receipts.
"""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import structlog

from compute.chain.rpc import Rpc, RpcError
from compute.transfers import ADDRESS_BYTES, WORD_BYTES, Bytes, Transfers

TRANSFER: Final = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""Keccak-256 of `Transfer(address,address,uint256)`."""
FIRST_WINDOW: Final = 2_000
LARGEST_WINDOW: Final = 500_000
FEW: Final = 5_000
"""Results below which a window may grow."""
SPARSE: Final = 1_000
TOPICS: Final = 3
"""The event and its two indexed addresses; a fourth makes it the transfer of an ERC-721."""
_PAIR = re.compile(r"(0x[0-9a-fA-F]+|\b\d+)\s*(?:,|-|to|\.\.)\s*(0x[0-9a-fA-F]+|\d+)\b")
_LIMIT = re.compile(
    r"(?:limit(?:ed)?|max(?:imum)?|up to|at most|exceeds?|than)\D{0,40}?(\d[\d,_]*)", re.IGNORECASE
)

log = structlog.get_logger(__name__)

Log = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Some blocks of a token, read; `end_hash` is the last block's."""

    from_block: int
    to_block: int
    end_hash: str
    transfers: Transfers


@dataclass(slots=True)
class Window:
    """How many blocks to ask for: grows where there is little, shrinks at every refusal."""

    size: int = FIRST_WINDOW
    most: int = LARGEST_WINDOW
    """What the provider has said that it takes."""
    refused: int = LARGEST_WINDOW + 1
    """A size that was refused not long ago."""
    _since: int = 0

    def shrink(self, asked: int, hint: int | None, *, hard: bool) -> None:
        """After a refusal of `asked` blocks, more than one."""
        self.size = max(1, hint if hint is not None and hint < asked else asked // 2)
        if hard:
            self.most = max(1, min(self.most, self.size))
        self.refused, self._since = asked, 0

    def grow(self, asked: int, results: int) -> None:
        """After an answer; what was refused is tried again when it has been a while."""
        self._since += 1
        if self._since >= (2 if results < SPARSE else 8):
            self.refused, self._since = LARGEST_WINDOW + 1, 0
        if results < FEW and asked == self.size and self.size * 2 < self.refused:
            self.size = min(self.size * 2, self.most)


async def read_transfers(
    rpc: Rpc, token: str, first: int, last: int, window: Window | None = None
) -> AsyncIterator[Segment]:
    """Segments that follow each other without a gap, from `first` to `last`.

    Raises:
        RpcError: a single block is refused, and its receipts too.
        Unreachable: nobody answers.
    """
    window = window or Window()
    at = first
    while at <= last:
        to = min(at + window.size - 1, last)
        end, logs = await _ask(rpc, token, at, to)
        if isinstance(logs, RpcError):
            if to > at:
                hint, hard = hinted(logs.message, at, to)
                window.shrink(to - at + 1, hint, hard=hard)
                continue
            logs = await receipts_of(rpc, token, at)
        yield Segment(at, to, end["hash"], decoded(logs, token, at, to))
        window.grow(to - at + 1, len(logs))
        at = to + 1


async def _ask(rpc: Rpc, token: str, at: int, to: int) -> tuple[Log, "list[Log] | RpcError"]:
    """The logs, and their last block from the same endpoint.

    One that does not have that block yet would answer with fewer logs, and without a word.
    """
    query = {
        "address": token,
        "topics": [TRANSFER],
        "fromBlock": hex(at),
        "toBlock": hex(to),
    }
    calls = [("eth_getBlockByNumber", (hex(to), False)), ("eth_getLogs", (query,))]
    end, logs = await rpc.batch(calls, fits=lambda results: isinstance(results[0], dict))
    if not isinstance(logs, (list, RpcError)):
        logs = RpcError(0, "no list of logs")
    return end, logs


def hinted(message: str, at: int, to: int) -> tuple[int | None, bool]:
    """How many blocks a refusal suggests, if fewer than were asked for; and whether as a limit.

    A range that begins where ours did is good for this place; a number beside a word like `limited
    to` holds everywhere.
    """
    asked = to - at + 1
    for pair in _PAIR.finditer(message):
        begin, end = (
            int(text, 0) if text.startswith("0x") else int(text) for text in pair.groups()
        )
        if begin == at and at <= end < to:
            return end - at + 1, False
    if "result" in message.lower() or "log" in message.lower().replace("eth_getlogs", ""):
        return None, False  # the number is one of results
    limits = [int(re.sub(r"\D", "", found)) for found in _LIMIT.findall(message)]
    fitting = [limit for limit in limits if 0 < limit < asked]
    return (max(fitting), True) if fitting else (None, False)


async def receipts_of(rpc: Rpc, token: str, block: int) -> list[Log]:
    """The same logs from a block's receipts, all at once or one by one."""
    try:
        receipts = await rpc.call("eth_getBlockReceipts", hex(block))
    except RpcError:
        names = (await rpc.block(block) or {}).get("transactions", ())
        calls = [("eth_getTransactionReceipt", (name,)) for name in names]
        receipts = await rpc.batch(calls)
        for receipt in receipts:
            if isinstance(receipt, RpcError):
                raise receipt from None
    logs = [each for receipt in receipts for each in receipt["logs"]]
    return [each for each in logs if each["address"].lower() == token]


def decoded(logs: Sequence[Log], token: str, first: int, last: int) -> Transfers:
    """ERC-20 transfers of this token, and nothing else that a provider may send."""
    fitting = [each for each in logs if _fits(each, token, first, last)]
    return Transfers.of(
        block=[int(each["blockNumber"], 16) for each in fitting],
        log_index=[int(each["logIndex"], 16) for each in fitting],
        tx=_rows([each["transactionHash"] for each in fitting], WORD_BYTES),
        sender=_rows([each["topics"][1][-40:] for each in fitting], ADDRESS_BYTES),
        recipient=_rows([each["topics"][2][-40:] for each in fitting], ADDRESS_BYTES),
        value=_rows([each["data"][2:66] for each in fitting], WORD_BYTES),
    )


def _fits(each: Log, token: str, first: int, last: int) -> bool:
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
