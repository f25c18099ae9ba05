"""Attribute what is minted in the transaction that creates a token to the one who signed it."""

import numpy as np

from compute.analysis.acts import Acts
from compute.analysis.labels import ZERO
from compute.analysis.ledger import Links


def creation_mints(acts: Acts) -> Links:
    """Return the first tokens of wallets, minted or paid by a contract as the token was created.

    Paid by a contract: with a launchpad, the creator may buy in the transaction that creates.
    """
    links, transfers = acts.first_sources, acts.ledger.transfers
    block = transfers.block[links.row] == np.uint64(acts.facts.token.created_block)
    links = links.where(block & acts.nodes.wallets[links.target])
    number = np.searchsorted(transfers.transaction_starts, links.row, side="right")
    created = number == 1  # the token's first transfers are in the transaction that created it
    index = acts.nodes.index
    zero, deployer = index.get(ZERO, -1), index.get(acts.facts.token.deployer or ZERO, -1)
    links, created = links.where(links.target != deployer), created[links.target != deployer]
    return links.where((links.source == zero) | (created & ~acts.nodes.wallets[links.source]))


def creation_links(acts: Acts) -> Links:
    """Return the mints of the creation transaction as links from the one who signed it."""
    if not acts.parameters.creation_mints:
        return acts.first_sources.where(np.zeros(len(acts.first_sources), bool))
    minted = creation_mints(acts)
    signers = [_creator(acts, row) for row in minted.row.tolist()]
    source = np.array([-1 if each is None else each for each in signers], np.int64)
    kept = (source >= 0) & (source != minted.target) & acts.nodes.wallets[np.maximum(source, 0)]
    return Links(source.astype(np.uint32), minted.target, minted.row, minted.share).where(kept)


def _creator(acts: Acts, row: int) -> int | None:
    """Return the node of the deployer, if the deployer signed the transaction of a row."""
    transaction = acts.facts.transactions.get(acts.ledger.transfers.tx_hash(row))
    deployer = acts.facts.token.deployer
    if transaction is None or deployer not in (None, transaction.sender):
        return None
    node = acts.nodes.index[transaction.sender]
    return node if acts.is_known_person(node) else None
