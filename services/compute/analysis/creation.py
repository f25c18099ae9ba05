"""Attribute what is minted in the transaction that creates a token to the one who signed it."""

import numpy as np

from compute.analysis.acts import Acts
from compute.analysis.labels import ZERO
from compute.analysis.ledger import Links
from compute.chain_facts import TokenInfo


def creation_mints(acts: Acts) -> Links:
    """Return the first tokens of wallets, minted or paid by a contract as the token was created.

    Paid by a contract: with a launchpad, the creator may buy in the transaction that creates.
    """
    links, transfers, index = acts.first_sources, acts.ledger.transfers, acts.nodes.index
    token, wallets = acts.facts.token, acts.nodes.wallets
    deployer = index.get(token.deployer or ZERO, -1)
    block = transfers.block[links.row] == np.uint64(token.created_block)
    links = links.where(block & wallets[links.target] & (links.target != deployer))
    created = np.fromiter(
        (_creates(token, transfers.tx_hash(row)) for row in links.row.tolist()), bool, len(links)
    )
    minted = links.source == index.get(ZERO, -1)
    return links.where(created & (minted | ~wallets[links.source]))


def _creates(token: TokenInfo, tx_hash: str) -> bool:
    """Return True for the creation, and for what is in its block if the creation is unknown."""
    return token.created_tx in (None, tx_hash)


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
