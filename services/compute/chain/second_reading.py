"""Read transfers again where an endpoint may have left some out without an error.

Endpoints shorten long answers, or lack some logs. So each endpoint is asked alone, in ranges with
few transfers each, and in smaller ones as long as that finds more, or the answers look shortened:
many of them have the same number of transfers, and none has more. An endpoint that returns more
transfers of the same blocks is right: none invents any.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import structlog

from compute.chain.rejections import RpcError
from compute.chain.rpc import RpcClient, Unreachable
from compute.chain.transfer_logs import LogsRefused, Window, read_transfers
from compute.transfers import TransferRange

RESULTS: Final = 500
"""Transfers in one range of blocks, on average."""
PARTS: Final = 8
"""Parts of the blocks, at least: a few answers may have been shortened to very few transfers."""
SMALLER: Final = 4
"""Factor by which ranges become smaller after they have shown more transfers."""
MOST_QUERIES: Final = 2_000
"""Ranges that are read only because answers look shortened, at most: some tokens have the same
number of transfers in each block."""

log = structlog.get_logger(__name__)


async def read_again(
    rpc: RpcClient, token: str, first: int, last: int, count: int
) -> TransferRange | None:
    """Return the most transfers that an endpoint has; None if they are no more than `count`."""
    best, most = None, count
    for endpoint in [each for each in rpc.endpoints if not each.is_lost]:
        alone = replace(rpc, endpoints=[endpoint])
        try:
            if (read := await _more(alone, token, first, last, most)) is not None:
                best, most = read, len(read.transfers)
        except (LogsRefused, RpcError, Unreachable) as error:  # another one may have them
            log.warning("second_reading_failed", endpoint=endpoint.name, reason=str(error))
    return best


async def _more(
    rpc: RpcClient, token: str, first: int, last: int, most: int
) -> TransferRange | None:
    """Return what one endpoint has; None if that is no more than `most`."""
    blocks, best = last - first + 1, None
    size = max(1, min(blocks // PARTS, blocks * RESULTS // max(1, most)))
    while True:
        window = Window(size=size, limit=size)
        parts = [part async for part in read_transfers(rpc, token, first, last, window)]
        counts = [len(part.transfers) for part in parts]
        has_more = sum(counts) > most
        if has_more:
            best, most = TransferRange.concatenate(parts), sum(counts)
        smaller = max(1, size // SMALLER)
        shortened = blocks <= MOST_QUERIES * smaller and _look_shortened(counts)
        if size == 1 or not (has_more or shortened):
            return best
        size = smaller


def _look_shortened(counts: Sequence[int]) -> bool:
    """Return True if a quarter of the answers that have transfers have the largest number."""
    largest = max(counts)
    equal, with_transfers = counts.count(largest), sum(count > 0 for count in counts)
    return largest > 0 and equal > 1 and 4 * equal >= with_transfers
