"""Keep the links whose sender acted: who signed a transaction, or ordered its operation."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from compute.analysis.ledger import Ledger, Links
from compute.analysis.nodes import Nodes
from compute.analysis.origins import passed_on
from compute.analysis.parameters import Parameters
from compute.chain_facts import Address, ChainFacts


@dataclass(frozen=True, eq=False)
class Acts:
    """Tell who acted in which transaction, as far as it is known."""

    nodes: Nodes
    ledger: Ledger
    facts: ChainFacts
    parameters: Parameters

    @cached_property
    def first_sources(self) -> Links:
        """The first sources, with who paid a contract as the source of what it passed on."""
        links, kinds = self.ledger.first_sources, self.nodes.kinds
        if not self.parameters.multisenders:
            return links
        sources = np.unique(links.source)
        contracts = [n for n in sources.tolist() if kinds[n] == "contract"]
        through = np.isin(links.source, np.array(contracts, np.uint32))
        passed = passed_on(self.ledger, links.where(through))
        return Links.joined([links.where(~through), passed])

    def acted(self, node: int, tx_hash: str) -> bool:
        """Return True if the node signed the transaction, or is an account that ordered it."""
        if not self.parameters.sender_acted:
            return True
        transaction = self.facts.transactions.get(tx_hash)
        address = self.nodes.addresses[node]
        return transaction is not None and (
            transaction.sender == address or address in transaction.accounts
        )

    def by_source(self, links: Links) -> Links:
        """Return the links whose source acted."""
        rows = zip(links.source.tolist(), links.row.tolist(), strict=True)
        hashes = self.ledger.transfers.tx_hash
        return links.where(
            np.fromiter((self.acted(s, hashes(r)) for s, r in rows), bool, count=len(links))
        )

    def directly(self, links: Links, *, several: bool = False) -> Links:
        """Return the links without those that a contract made in the order of the source.

        A buyer who accepts an offer calls the contract of a market, which moves the tokens to the
        buyer. With `several`, a contract may pay more than one wallet: so do multisenders.
        """
        if not (self.parameters.direct_transfers and self.parameters.sender_acted):
            return links
        starts = self.ledger.transfers.transaction_starts
        act = np.searchsorted(starts, links.row, side="right").astype(np.int64)
        _, number, counts = np.unique(act, return_inverse=True, return_counts=True)
        rows = zip(links.source.tolist(), links.row.tolist(), strict=True)
        hashes = self.ledger.transfers.tx_hash
        direct = np.fromiter(
            (self._ordered_directly(source, hashes(row)) for source, row in rows),
            bool, count=len(links),
        )  # fmt: skip
        return links.where(direct | (several & (counts[number.ravel()] > 1)))

    def _ordered_directly(self, node: int, tx_hash: str) -> bool:
        transaction, address = self.facts.transactions[tx_hash], self.nodes.addresses[node]
        return transaction is not None and (
            address in transaction.accounts
            or transaction.recipient in (None, self.facts.token.address, address)
        )

    def has_acted(self, node: int) -> bool:
        """Return True if the address is known to have acted at any time."""
        address = self.nodes.addresses[node]
        return (
            address in self._actors
            or node in self.nodes.accounts
            or self.facts.nonces.get(address, 0) > 0
        )

    @cached_property
    def _actors(self) -> frozenset[Address]:
        found = {each.funder for each in self.facts.funders.values() if each is not None}
        for transaction in self.facts.transactions.values():
            if transaction is not None:
                found |= {transaction.sender, *transaction.accounts}
        return frozenset(found)

    def is_known_person(self, node: int) -> bool:
        """Return True if it is known that the wallet is no service: its transactions are few."""
        return (
            not self.parameters.service_nonce
            or node in self.nodes.accounts
            or self.nodes.addresses[node] in self.facts.nonces
        )
