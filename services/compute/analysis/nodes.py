"""Assign a number and a kind to each address that takes part in an analysis."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from compute.analysis.accounts import (
    account_of,
    is_delegation,
    locker_of,
    looks_constructed,
    pool_of,
)
from compute.analysis.amounts import Mask
from compute.analysis.kinds import Kinds, are
from compute.analysis.labels import DEAD, ZERO, Label, Labels
from compute.analysis.ledger import Ledger
from compute.analysis.parameters import Parameters
from compute.analysis.services import services_of
from compute.chain_facts import Address, ChainFacts, Code
from contracts.cluster_report import Basis, Kind


@dataclass(frozen=True, slots=True)
class Reason:
    """State why an address takes no part in clusters."""

    basis: Basis
    why: str


@dataclass(frozen=True, eq=False)
class Nodes:
    """Describe the nodes: the addresses of the transfers, followed by others that acted."""

    addresses: Sequence[Address]
    index: Mapping[Address, int]
    """Node by address."""
    balances: Sequence[int]
    """In the token's smallest unit; below zero if the transfers are incomplete."""
    kinds: Kinds
    labels: Mapping[int, Label]
    """By node, of labelled nodes only."""
    holders_end: int
    """Nodes from here on never had the token; they funded or acted for addresses that did."""
    services: Mapping[int, str] = field(default_factory=dict)
    """What an address did that no person's wallet does, by node."""
    reasons: Mapping[int, Reason] = field(default_factory=dict)
    """Why a node takes no part in clusters, by node."""
    accounts: Mapping[int, str] = field(default_factory=dict)
    """What makes an address with code a person's account, by node."""

    def is_wallet(self, node: int) -> bool:
        """Return True if the node is a personal account that may be linked to others."""
        return self.kinds[node] == "eoa" and node not in self.services

    @cached_property
    def wallets(self) -> Mask:
        """Whether each node is a personal account that may be linked to others."""
        personal = are(self.kinds, "eoa")
        personal[list(self.services)] = False
        return personal

    def label_name(self, node: int) -> str | None:
        """Return the name of a node's label; None if it has no label."""
        label = self.labels.get(node)
        return None if label is None else label.name


def nodes_of(ledger: Ledger, facts: ChainFacts, labels: Labels, parameters: Parameters) -> Nodes:
    """Assign a number and a kind to each address of the ledger, and to those that acted for it."""
    holders_end = len(ledger.addresses)
    actors = sorted(set(_actors(facts)))
    known = ledger.addresses.numbers(actors)
    others = [each for each, number in zip(actors, known, strict=True) if number is None]
    addresses = ledger.addresses.extended(others)
    index = addresses.by_address
    addresses.numbers([*facts.codes, *facts.nonces, *facts.funders, *facts.sweeps])  # at once
    names = list(labels.known)
    labelled = {
        number: labels.known[name]
        for name, number in zip(names, addresses.numbers(names), strict=True)
        if number is not None
    }
    kinds = Kinds(len(addresses))
    classes = _Classes(ledger, index, facts, labelled, parameters)
    reasons: dict[int, Reason] = {}
    for node, kind, reason in classes.reasons():
        kinds[node] = kind
        if kind == "eoa":  # the operator's label says that it is a person
            reasons.pop(node, None)
        else:
            reasons[node] = reason
    services = services_of(ledger, index, kinds.are("eoa"), facts, parameters)
    behaviour = {node: Reason("behaviour", why) for node, why in services.items()}
    return Nodes(
        addresses, index, ledger.balances.extended(len(others)), kinds, labelled, holders_end,
        services, {**behaviour, **reasons}, classes.accounts,
    )  # fmt: skip


def _actors(facts: ChainFacts) -> Iterator[Address]:
    """Yield the addresses that funded, signed or received, whether they had the token or not."""
    for funding in facts.funders.values():
        if funding is not None:
            yield funding.funder
            if funding.via is not None:
                yield funding.via
    yield from (each.sender for each in facts.transactions.values() if each is not None)
    yield from (each.recipient for each in facts.sweeps.values() if each is not None)
    if facts.token.deployer is not None:
        yield facts.token.deployer
    for address, balance in facts.balances.items():
        if balance and address != ZERO:  # issued without a log
            yield address


@dataclass(frozen=True, slots=True)
class _Classes:
    """Classify nodes by label, code and convention."""

    ledger: Ledger
    index: Mapping[Address, int]
    facts: ChainFacts
    labels: Mapping[int, Label]
    parameters: Parameters
    accounts: dict[int, str] = field(default_factory=dict)
    """What makes an address with code a person's account, by node."""

    def reasons(self) -> Iterator[tuple[int, Kind, Reason]]:
        """Yield the nodes that are no wallets and their kinds; the last of a node holds."""
        for node, kind, why in self._by_code():
            yield node, kind, Reason("code", why)
        for node in self._burns():
            yield node, "burn", Reason("behaviour", "has no key: it never sent a transaction")
        for node, label in self.labels.items():
            yield node, label.kind, Reason("label", label.name)
        for address, why in (*_CONVENTIONS, (self.facts.token.address, "the token itself")):
            if address in self.index:
                yield self.index[address], "burn", Reason("convention", why)

    def _by_code(self) -> Iterator[tuple[int, Kind, str]]:
        """Yield the contracts, and add the persons' accounts among them to `accounts`."""
        operated = {
            account
            for each in self.facts.transactions.values()
            if each is not None
            for account in each.accounts
        }
        for address, code in self.facts.codes.items():
            if code.size > 0 and address in self.index:
                node = self.index[address]
                account = self._account(address, code, operated)
                if account is not None:
                    self.accounts[node] = account
                else:
                    yield node, *self._contract(address, code)

    def _account(self, address: Address, code: Code, operated: set[Address]) -> str | None:
        found = account_of(code, self.facts.probes.get(address))
        if found is None and address in operated:
            found = "an account: it executed an operation"
        return found if self.parameters.smart_accounts or is_delegation(code) else None

    def _contract(self, address: Address, code: Code) -> tuple[Kind, str]:
        probe = self.facts.probes.get(address) if self.parameters.probes else None
        pool = pool_of(probe, self.facts.token.address)
        if pool is not None:
            return "pool", pool
        if (lock := locker_of(probe)) is not None:
            return "locker", lock
        return "contract", f"a contract with {code.size:,} bytes of code"

    def _burns(self) -> list[int]:
        """Return the addresses without a key: they look constructed and never acted."""
        if not self.parameters.burns:
            return []
        return [
            self.index[address]
            for address, nonce in self.facts.nonces.items()
            if nonce == 0
            and looks_constructed(address)
            and address in self.index
            and address in self.facts.codes
            and self.facts.codes[address].size == 0
            and not self._has_sent(self.index[address])
        ]

    def _has_sent(self, node: int) -> bool:
        sent = self.ledger.sent
        return node < sent.shape[1] and bool(sent[:, node].any())


_CONVENTIONS: Final = ((ZERO, "the zero address"), (DEAD, "the address for burned tokens"))
