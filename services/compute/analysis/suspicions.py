"""Point out wallets that bought conspicuously; it does not follow that they have one owner."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from compute.analysis.acts import Acts
from compute.analysis.findings import Group, SuspectedGroup
from compute.analysis.kinds import are
from contracts.cluster_report import SuspicionKind

_SIGHTINGS: Final = 100
_WINDOW: Final = 7_200
"""Blocks within which equal purchases are compared."""


@dataclass(frozen=True, slots=True, eq=False)
class _Purchases:
    """Hold the first purchases of wallets that still hold the token, in order of time."""

    node: NDArray[np.int64]
    row: NDArray[np.int64]
    block: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.node)

    def where(self, keep: NDArray[np.bool_]) -> "_Purchases":
        return _Purchases(self.node[keep], self.row[keep], self.block[keep])


def suspicions_of(acts: Acts, groups: Sequence[Group]) -> list[SuspectedGroup]:
    """Return launch-block buyers, equal amounts and regular times, and insiders."""
    bought = _purchases(acts)
    if not len(bought):
        return []
    launch = int(bought.block[0])
    early = bought.where(bought.block < launch + acts.parameters.launch_blocks)
    insiders = _insiders(acts, groups, launch)
    return [
        *_snipers(acts, early, launch, insiders),
        *_bundlers(acts, early),
        *_equal_amounts(acts, bought),
        *_serial_times(acts, bought),
        *_suspected_insiders(acts, insiders, launch),
    ]


def _purchases(acts: Acts) -> _Purchases:
    """Return the first tokens that wallets received from pools and contracts."""
    nodes, links = acts.nodes, acts.first_sources
    pools = are(nodes.kinds, "pool")
    bought = links.where(pools[links.source] & nodes.wallets[links.target])
    bought = bought.where(acts.ledger.balances.positive[bought.target])
    order = np.argsort(bought.row, kind="stable")
    row = bought.row[order]
    block = acts.ledger.transfers.block[row].astype(np.int64)
    return _Purchases(bought.target[order].astype(np.int64), row, block)


def _snipers(
    acts: Acts, early: _Purchases, launch: int, insiders: frozenset[int]
) -> Iterator[SuspectedGroup]:
    outside = early.where(~np.isin(early.node, sorted(insiders)))
    if acts.parameters.launch_blocks and len(outside):
        last = launch + acts.parameters.launch_blocks - 1
        why = f"bought in the launch blocks, {launch} to {last}"
        yield _suspected(acts, "snipers", outside, why)


def _bundlers(acts: Acts, early: _Purchases) -> Iterator[SuspectedGroup]:
    """Yield groups that bought in one launch block: by one order, or by chance."""
    for block in np.unique(early.block).tolist():
        together = early.where(early.block == block)
        if acts.parameters.equal_wallets <= len(together):
            why = f"{len(together)} wallets bought their first tokens in block {block}"
            yield _suspected(acts, "bundlers", together, why)


def _equal_amounts(acts: Acts, bought: _Purchases) -> Iterator[SuspectedGroup]:
    """Yield groups whose first purchases were of the same amount, within a day."""
    least = acts.parameters.equal_wallets
    if not least:
        return
    words = np.stack([digit[bought.row] for digit in acts.ledger.transfers.digits], axis=1)
    _, number, counts = np.unique(words, axis=0, return_inverse=True, return_counts=True)
    number = number.ravel()
    for value in np.flatnonzero(counts >= least).tolist():
        same = bought.where(number == value)
        for part in _within(same, _WINDOW):
            if len(part) >= least:
                amount = acts.ledger.transfers.amount(int(part.row[0]))
                why = f"{len(part)} wallets each bought {amount} within {_WINDOW} blocks"
                yield _suspected(acts, "equalAmounts", part, why)


def _within(bought: _Purchases, window: int) -> Iterator[_Purchases]:
    """Yield the purchases in parts without a pause longer than `window`."""
    pauses = np.flatnonzero(np.diff(bought.block) > window) + 1
    for part in np.split(np.arange(len(bought)), pauses):
        yield _Purchases(bought.node[part], bought.row[part], bought.block[part])


def _serial_times(acts: Acts, bought: _Purchases) -> Iterator[SuspectedGroup]:
    """Yield runs of first purchases at the same distance from each other, of a few blocks."""
    least = acts.parameters.equal_wallets
    if not least or len(bought) < least:
        return
    steps = np.diff(bought.block)
    ends = np.flatnonzero(np.diff(steps)) + 1
    for part in np.split(np.arange(len(steps)), ends):
        step = int(steps[part[0]])
        if len(part) + 1 >= 2 * least and 1 < step <= _WINDOW:
            rows = np.append(part, part[-1] + 1)
            run = _Purchases(bought.node[rows], bought.row[rows], bought.block[rows])
            why = f"{len(run)} wallets bought in turn, one every {step} blocks"
            yield _suspected(acts, "serialTimes", run, why)


def _insiders(acts: Acts, groups: Sequence[Group], launch: int) -> frozenset[int]:
    """Return the wallets that had the token before the launch, and those of the deployer."""
    nodes, transfers = acts.nodes, acts.ledger.transfers
    links = acts.first_sources
    before = links.where(transfers.block[links.row].astype(np.int64) < launch)
    early = before.target[nodes.wallets[before.target]]
    found = set(early[acts.ledger.balances.positive[early]].tolist())
    address = acts.facts.token.deployer
    deployer = None if address is None else nodes.index.get(address)
    for group in groups:
        if deployer in group.nodes:
            found |= {node for node in group.nodes if nodes.balances[node] > 0}
    return frozenset(found)


def _suspected_insiders(
    acts: Acts, insiders: Iterable[int], launch: int
) -> Iterator[SuspectedGroup]:
    found = tuple(sorted(insiders))
    if acts.parameters.launch_blocks and found:
        why = f"had the token before trading began in block {launch}, or belong to its deployer"
        yield SuspectedGroup("insiders", found, why, ((launch, None),))


def _suspected(acts: Acts, kind: SuspicionKind, bought: _Purchases, why: str) -> SuspectedGroup:
    hashes: dict[str, int] = defaultdict(int)
    for row, block in zip(bought.row.tolist(), bought.block.tolist(), strict=True):
        hashes[acts.ledger.transfers.tx_hash(row)] = block
    sightings = tuple((block, tx) for tx, block in list(hashes.items())[:_SIGHTINGS])
    return SuspectedGroup(kind, tuple(sorted(bought.node.tolist())), why, sightings)
