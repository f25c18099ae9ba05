"""Recognise services (exchanges, desks, bots) by what they did, without a label."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from compute.analysis.amounts import Indexes, Mask
from compute.analysis.ledger import Ledger, Links
from compute.analysis.parameters import Parameters
from compute.chain_facts import Address, ChainFacts


def services_of(
    ledger: Ledger,
    index: Mapping[Address, int],
    personal: Mask,
    facts: ChainFacts,
    parameters: Parameters,
) -> dict[int, str]:
    """Return what each service did that no person's wallet does, by node.

    Args:
        ledger: The replayed transfers.
        index: Node by address.
        personal: Whether each node is an account of a person, by its code and label.
        facts: The facts known so far.
        parameters: Thresholds; a threshold of 0 turns its signal off.
    """
    found = {
        **_with_deposits(ledger, personal, parameters),
        **_with_partners(ledger, personal, parameters),
        **_funders(index, facts, parameters),
        **_active(index, facts, parameters),
    }
    return {node: why for node, why in sorted(found.items()) if personal[node]}


def _active(
    index: Mapping[Address, int], facts: ChainFacts, parameters: Parameters
) -> dict[int, str]:
    least = parameters.service_nonce
    return {
        index[address]: f"sent {nonce:,} transactions"
        for address, nonce in facts.nonces.items()
        if least and nonce >= least and address in index
    }


def _funders(
    index: Mapping[Address, int], facts: ChainFacts, parameters: Parameters
) -> dict[int, str]:
    counts = Counter(each.funder for each in facts.funders.values() if each is not None)
    return {
        index[address]: f"first funder of {count:,} wallets"
        for address, count in counts.items()
        if count > parameters.hub_cap
    }


def _with_deposits(ledger: Ledger, personal: Mask, parameters: Parameters) -> dict[int, str]:
    """Return the targets of deposit addresses: wallets pay one, which passes on all of it.

    The payers must differ, and must not be paid by the target themselves.
    """
    if not parameters.service_deposits:
        return {}
    emptied = _emptied(ledger, personal)
    payer = np.full(len(ledger.transfers.addresses), -1, np.int64)
    sources = ledger.first_sources
    payer[sources.target] = sources.source
    paid = payer[emptied.source]
    real = (paid >= 0) & (paid != emptied.target)
    real &= personal[np.maximum(paid, 0)]
    pairs = np.unique(np.stack((emptied.target[real].astype(np.int64), paid[real])), axis=1)
    counts = np.bincount(pairs[0]) if pairs.size else np.zeros(0, np.int64)
    return {
        int(node): f"{counts[node]:,} deposit addresses were emptied to it"
        for node in np.flatnonzero(counts >= parameters.service_deposits)
    }


def _emptied(ledger: Ledger, personal: Mask) -> Links:
    """Return the sweeps of addresses that sent all they ever received to one address."""
    sweeps = ledger.sweeps
    held: Mask = ledger.balances.positive[sweeps.source]
    return sweeps.where(~held & (sweeps.share >= 1) & personal[sweeps.source])


def _with_partners(ledger: Ledger, personal: Mask, parameters: Parameters) -> dict[int, str]:
    """Return addresses that received from many wallets, and sent to many others."""
    least, count = parameters.service_partners, len(ledger.transfers.addresses)
    if not least:
        return {}
    paid, was_paid = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for part in ledger.pairs.slices():
        source, target = ledger.pairs.ends(part)
        paid += np.bincount(source, minlength=count)
        was_paid += np.bincount(target, minlength=count)
    busy = (paid >= least) & (was_paid >= least) & personal[:count]
    payees, payers = _one_way_partners(ledger, busy, personal)
    return {
        node: f"received the token from {payers[node]:,} wallets and sent it to "
        f"{payees[node]:,} others"
        for node in np.flatnonzero((payees >= least) & (payers >= least)).tolist()
    }


def _one_way_partners(
    ledger: Ledger, busy: Mask, personal: Mask
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many wallets each busy address only sent to, and only received from."""
    sent: list[NDArray[np.uint64]] = [np.empty(0, np.uint64)]
    received = list(sent)
    for part in ledger.pairs.slices():
        source, target = ledger.pairs.ends(part)
        sent.append(_keys(source, target, busy, personal))
        received.append(_keys(target, source, busy, personal))
    out, back = np.concatenate(sent), np.concatenate(received)
    count = len(busy)
    return _count(np.setdiff1d(out, back), count), _count(np.setdiff1d(back, out), count)


def _keys(centre: Indexes, other: Indexes, busy: Mask, personal: Mask) -> NDArray[np.uint64]:
    kept = busy[centre] & personal[other]
    return (centre[kept].astype(np.uint64) << np.uint64(32)) | other[kept]


def _count(keys: NDArray[np.uint64], count: int) -> NDArray[np.int64]:
    return np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=count)
