"""Sum what shown holders sent each other, and how their balances changed lately."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from compute.analysis.amounts import add_at, floats, integers, normalize
from compute.analysis.holdings import Holdings
from compute.analysis.ledger import Ledger
from compute.analysis.nodes import Nodes
from compute.analysis.times import WINDOWS, BlockClock, window_start
from compute.chain_facts import ChainFacts
from contracts.chains import checksum_address
from contracts.cluster_report import BalanceChange, BlockTime, HolderTransfers

MAX_FLOWS: Final = 2_000
"""Pairs of holders that are listed, those with the largest amounts."""
_SLICE: Final = 1 << 20
"""Rows that are added up at once."""


def flows_between(
    shown: Iterable[int], nodes: Nodes, ledger: Ledger, clock: BlockClock
) -> tuple[HolderTransfers, ...]:
    """Return what each of these nodes sent to each other, the largest amounts first."""
    mask = np.zeros(len(ledger.balances), bool)
    mask[[node for node in shown if node < len(mask)]] = True
    pairs = ledger.pairs
    found = [np.empty(0, np.int64)]
    for part in pairs.slices():
        source, target = pairs.ends(part)
        found.append(part.start + np.flatnonzero(mask[source] & mask[target]))
    numbers = np.concatenate(found)
    amounts = pairs.amounts(numbers)
    chosen = np.argsort(-floats(amounts), kind="stable")[:MAX_FLOWS]
    sums, blocks = integers(amounts[:, chosen]), ledger.transfers.block

    def seen(row: int) -> BlockTime:
        block = int(blocks[row])
        return BlockTime(block=block, timestamp=clock.time_of(block))

    flows = []
    for number, amount in zip(numbers[chosen].tolist(), sums, strict=True):
        (source,), (target,) = pairs.ends(slice(number, number + 1))
        flows.append(
            HolderTransfers(
                source=checksum_address(nodes.addresses[int(source)]),
                target=checksum_address(nodes.addresses[int(target)]),
                amount=str(amount),
                count=int(pairs.count[number]),
                first=seen(int(pairs.first[number])),
                last=seen(int(pairs.last[number])),
            )
        )
    return tuple(flows)


def changes_of(
    listed: Sequence[int],
    holdings: Holdings,
    ledger: Ledger,
    facts: ChainFacts,
    clock: BlockClock,
) -> Mapping[int, BalanceChange]:
    """Return the changes of those nodes whose transfers add up to their balance.

    None has any if it is not known when the windows begin.
    """
    starts = [window_start(clock, facts, seconds) for seconds in WINDOWS]
    logged = [node for node in listed if node < len(ledger.balances)]
    both = ledger.balances.of_nodes(logged), holdings.balances.of_nodes(logged)
    known = [node for node, a, b in zip(logged, *both, strict=True) if a == b]
    rows = [_first_row_after(ledger, start) for start in starts if start is not None]
    if not known or len(rows) < len(starts):
        return {}
    ends = [len(ledger.transfers), *rows]
    sums, changes = [0] * len(known), []
    for begin, end in zip(rows, ends[:-1], strict=True):  # each window contains the one before
        sums = [a + b for a, b in zip(sums, net_changes(known, ledger, begin, end), strict=True)]
        changes.append(sums)
    return {
        node: BalanceChange(day=str(day), week=str(week), month=str(month))
        for node, day, week, month in zip(known, *changes, strict=True)
    }


def _first_row_after(ledger: Ledger, block: int) -> int:
    if block < 0:
        return 0
    return int(np.searchsorted(ledger.transfers.block, np.uint64(block), side="right"))


def net_changes(listed: Sequence[int], ledger: Ledger, begin: int, end: int) -> list[int]:
    """Return what each of these nodes received less what it sent in some rows."""
    transfers = ledger.transfers
    place = np.full(len(ledger.balances), -1, np.int32)
    place[list(listed)] = np.arange(len(listed))
    received = np.zeros((len(transfers.digits), len(listed)), np.uint64)
    sent = np.zeros_like(received)
    for start in range(begin, end, _SLICE):
        rows = slice(start, min(start + _SLICE, end))
        digits = np.stack([digit[rows] for digit in transfers.digits])
        for totals, ends in ((received, transfers.recipient), (sent, transfers.sender)):
            at = place[ends[rows]]
            add_at(totals, at[at >= 0], digits[:, at >= 0])
    pairs = zip(integers(normalize(received)), integers(normalize(sent)), strict=True)
    return [gained - lost for gained, lost in pairs]
