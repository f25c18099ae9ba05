"""Find wallets for which one signer bought their first tokens in one transaction."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compute.analysis.acts import Acts
from compute.analysis.amounts import Mask
from compute.analysis.kinds import are
from compute.analysis.ledger import Links
from compute.analysis.lives import is_fresh
from compute.analysis.nodes import Nodes
from compute.chain_facts import Address, Transaction
from compute.transfers import Transfers


@dataclass(frozen=True, slots=True)
class Bundle:
    """Represent wallets that received their first tokens from a pool in one transaction."""

    source: int
    tx_hash: str
    rows: tuple[int, ...]
    targets: tuple[int, ...]


def bundle_candidates(acts: Acts) -> list[Bundle]:
    """Return first purchases from a contract that several wallets made in one transaction."""
    ledger, nodes, least = acts.ledger, acts.nodes, acts.parameters.bundle_recipients
    links = acts.first_sources
    contracts = are(nodes.kinds, "contract", "pool")
    links = links.where(contracts[links.source] & nodes.wallets[links.target])
    if not least or len(links) < least:
        return []
    return [
        Bundle(
            int(links.source[group[0]]),
            ledger.transfers.tx_hash(int(links.row[group[0]])),
            tuple(links.row[group].tolist()),
            tuple(links.target[group].tolist()),
        )
        for group in _by_transaction(ledger.transfers, links, least)
    ]


def _by_transaction(transfers: Transfers, links: Links, least: int) -> Iterator[NDArray[np.int64]]:
    """Yield the positions of the links with the same transaction and source, if they are many."""
    number = np.searchsorted(transfers.transaction_starts, links.row, side="right")
    order = np.lexsort((links.row, links.source, number))
    number, source = number[order], links.source[order]
    ends = np.flatnonzero((number[1:] != number[:-1]) | (source[1:] != source[:-1])) + 1
    starts = np.concatenate(([0], ends))
    sizes = np.diff(starts, append=len(order))
    for start, size in zip(starts[sizes >= least], sizes[sizes >= least], strict=True):
        yield order[start : start + size]


def bundles(acts: Acts) -> list[tuple[int, Bundle]]:
    """Return each bundle with the node that signed it.

    A bundle is no evidence if it does not come from a pool, if its signer is a service or unknown,
    or if it reaches more wallets than one owner has. Accounts that ordered their own purchase
    and addresses that take a fee of other purchases are no part of it. Nor is anything that a
    signer bought who mostly buys for wallets that have been used for long.
    """
    signed = list(_signed(acts))
    total, established = Counter[int](), Counter[int]()
    for signer, bundle in signed:
        total[signer] += len(bundle.targets)
        established[signer] += len(bundle.targets) - _count_fresh(acts, bundle)
    return [
        (signer, bundle)
        for signer, bundle in signed
        if established[signer] < acts.parameters.mixed_payments * total[signer]
        and _is_of_one_owner(acts, bundle)
    ]


def _signed(acts: Acts) -> Iterator[tuple[int, Bundle]]:
    """Yield the bundles from pools that a person signed, and who that is."""
    fees = _fee_takers(acts)
    for bundle in bundle_candidates(acts):
        transaction = acts.facts.transactions.get(bundle.tx_hash)
        if transaction is None or acts.nodes.kinds[bundle.source] != "pool":
            continue
        signer = acts.nodes.index[transaction.sender]
        if (
            acts.nodes.is_wallet(signer)
            and acts.is_known_person(signer)
            and not _is_service(transaction.recipient, acts.nodes)
        ):
            yield signer, _bought_for(bundle, transaction, acts.nodes, fees)


def _is_of_one_owner(acts: Acts, bundle: Bundle) -> bool:
    count, parameters = len(bundle.targets), acts.parameters
    established = count - _count_fresh(acts, bundle)
    return (
        established < parameters.mixed_share * count
        and parameters.bundle_recipients <= count <= parameters.hub_cap
    )


def _count_fresh(acts: Acts, bundle: Bundle) -> int:
    return sum(is_fresh(acts, target) for target in bundle.targets)


def _bought_for(
    bundle: Bundle, transaction: Transaction, nodes: Nodes, fees: frozenset[int]
) -> Bundle:
    kept = [
        (row, target)
        for row, target in zip(bundle.rows, bundle.targets, strict=True)
        if nodes.addresses[target] not in transaction.accounts and target not in fees
    ]
    rows, targets = tuple(row for row, _ in kept), tuple(target for _, target in kept)
    return Bundle(bundle.source, bundle.tx_hash, rows, targets)


def _is_service(address: Address | None, nodes: Nodes) -> bool:
    """Return True if an exchange, a bridge or a locker was called rather than a pool's router."""
    node = None if address is None else nodes.index.get(address)
    return node is not None and nodes.kinds[node] in ("exchange", "bridge", "locker")


def _fee_takers(acts: Acts) -> frozenset[int]:
    """Return wallets that a pool pays whenever others buy, beyond their own bundle.

    Tokens with a fee send a part of every purchase to the wallets of their team.
    """
    transfers = acts.ledger.transfers
    home = np.full(len(transfers.addresses), -1, np.int64)
    candidates = bundle_candidates(acts)
    if not candidates:
        return frozenset()
    for number, bundle in enumerate(candidates):
        home[list(bundle.targets)] = number
    counts = np.zeros(len(home), np.int64)
    for part in transfers.slices(_ROWS):
        rows = part.start + np.flatnonzero(home[transfers.recipient[part]] >= 0)
        shared = _shared(transfers, rows, home)
        counts += np.bincount(transfers.recipient[rows[shared]], minlength=len(home))
    return frozenset(np.flatnonzero(counts >= _FEES).tolist())


def _shared(transfers: Transfers, rows: NDArray[np.int64], home: NDArray[np.int64]) -> Mask:
    """Return which rows are next to a payment to another bundle in the same transaction."""
    shared = np.zeros(len(rows), bool)
    for step in _NEAR:
        near = np.clip(rows + step, 0, len(transfers) - 1)
        shared |= (
            (transfers.tx[near] == transfers.tx[rows]).all(axis=1)
            & (transfers.sender[near] == transfers.sender[rows])
            & (home[transfers.recipient[near]] != home[transfers.recipient[rows]])
        )
    return shared


_ROWS = 1 << 21
"""Rows that are compared at once."""
_NEAR = (-3, -2, -1, 1, 2, 3)
"""Distance between the log of a fee and that of the purchase."""
_FEES = 2
"""Purchases of others from which a wallet is taken to receive a fee of them."""
