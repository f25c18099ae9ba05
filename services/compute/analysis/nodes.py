"""Assign a number and a kind to each address that takes part in an analysis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compute.analysis.labels import DEAD, ZERO, Label, Labels
from compute.analysis.ledger import Ledger
from compute.chain_facts import Address, ChainFacts
from contracts.cluster_report import Kind


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Describe the nodes: the addresses of the transfers, followed by other funders."""

    addresses: Sequence[Address]
    index: Mapping[Address, int]
    """Node by address."""
    balances: Sequence[int]
    """In the token's smallest unit; below zero if the transfers are incomplete."""
    kinds: Sequence[Kind]
    labels: Mapping[int, Label]
    """By node, of labelled nodes only."""
    holders_end: int
    """Nodes from here on never had the token; they funded addresses that did."""

    def is_wallet(self, node: int) -> bool:
        """Return True if the node is a personal account rather than infrastructure."""
        return self.kinds[node] == "eoa"

    def label_name(self, node: int) -> str | None:
        """Return the name of a node's label; None if it has no label."""
        label = self.labels.get(node)
        return None if label is None else label.name


def nodes_of(ledger: Ledger, facts: ChainFacts, labels: Labels) -> Nodes:
    """Assign a number and a kind to each address of the ledger, its funder, and other holders."""
    addresses = ledger.transfers.all_addresses()
    index = {address: n for n, address in enumerate(addresses)}
    funders = {f.funder for f in facts.funders.values() if f is not None}
    holders = {address for address, balance in facts.balances.items() if balance} - {ZERO}
    others = (funders | holders) - index.keys()
    for address in sorted(others):
        index[address] = len(addresses)
        addresses.append(address)
    balances = [*ledger.balances, *[0] * len(others)]
    labelled = {index[each]: labels.known[each] for each in labels.known.keys() & index.keys()}
    kinds = _kinds(index, facts, labelled)
    return Nodes(addresses, index, balances, kinds, labelled, len(ledger.balances))


def _kinds(
    index: Mapping[Address, int], facts: ChainFacts, labels: Mapping[int, Label]
) -> list[Kind]:
    """Classify each node: a label outweighs code, and a burn address both."""
    kinds: list[Kind] = ["eoa"] * len(index)
    for address in facts.contracts & index.keys():
        kinds[index[address]] = "contract"
    for node, label in labels.items():
        kinds[node] = label.kind
    for address in {ZERO, DEAD, facts.token.address} & index.keys():
        kinds[index[address]] = "burn"
    return kinds
