"""Decide which facts to fetch from the chain next, in rounds: each decides what follows.

Codes first: they tell wallets from contracts. Then who signed the transactions of possible links,
the first funders of wallets, and what contracts are. Then, for what would unite wallets only, who
is a service, who acted, and who funded the go-betweens.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import ceil
from typing import Final

import numpy as np

from compute.analysis.accounts import looks_constructed
from compute.analysis.acts import Acts
from compute.analysis.amounts import reaches
from compute.analysis.bundles import bundle_candidates
from compute.analysis.creation import creation_mints
from compute.analysis.distributors import distributing_rows
from compute.analysis.funded import Funded
from compute.analysis.funding import by_funder, depths, funded_nodes, is_go_between
from compute.analysis.labels import DEAD, ZERO, Labels
from compute.analysis.largest import with_largest_rows
from compute.analysis.ledger import Ledger, Links
from compute.analysis.lives import blocks_of_set_up, is_fresh
from compute.analysis.method import linked_sources, linked_sweeps
from compute.analysis.nodes import Nodes
from compute.analysis.parameters import Parameters
from compute.analysis.required_balances import required_balances
from compute.analysis.sweeping import native_candidates, native_sweeps
from compute.analysis.times import required_blocks
from compute.chain_facts import Address, ChainFacts, RequiredFacts

_MORE_SWEEPS: Final = 6
"""How many times more wallets are examined for sweeps if some of the largest have swept."""


def facts_required_by(
    ledger: Ledger, nodes: Nodes, facts: ChainFacts, labels: Labels, parameters: Parameters
) -> RequiredFacts:
    """List the facts that the analysis needs, whether they were requested before or not."""
    needs = _Needs(Acts(nodes, ledger, facts, parameters), labels)
    return needs.later() if facts.requested.codes else needs.first()


@dataclass(frozen=True, eq=False)
class _Needs:
    """Derive the facts that are needed from those that are known."""

    acts: Acts
    labels: Labels

    def first(self) -> RequiredFacts:
        """Return the codes of holders and of both ends of every link, and some balances."""
        parameters, names = self.acts.parameters, self.acts.nodes.addresses
        known = {ZERO, DEAD, self.acts.facts.token.address} | self.labels.known.keys()
        holders = self.holders
        nodes = dict.fromkeys([*holders[: parameters.kinds_of], *self._link_ends()])
        deployer = self.acts.facts.token.deployer
        return RequiredFacts(
            codes=tuple(names[node] for node in nodes if names[node] not in known),
            balances=required_balances(self.acts.ledger, self.acts.facts, parameters),
            probes=(self.acts.facts.token.address,),
            blocks=required_blocks(self.acts.facts),
            nonces=(deployer,) if deployer is not None else (),
        )

    def later(self) -> RequiredFacts:
        """Return what follows from the codes, and from all that is known by now."""
        names = self.acts.nodes.addresses
        facts = self.acts.facts
        nonces = [names[node] for node in dict.fromkeys(self._nonces())]
        funders = dict.fromkeys(self._funders())
        block_of = dict(self._transactions())
        sweeping = [names[node] for node in self._sweeping()]
        paid = {name: facts.funders.get(name) for name in sweeping}
        return RequiredFacts(
            transactions=tuple(block_of),
            block_of=block_of,
            relevant={names[node]: at for node, at in blocks_of_set_up(self.acts, funders)},
            nonces=tuple(nonces),
            probes=tuple(dict.fromkeys(self._probes())),
            funders=tuple(names[node] for node in funders),
            sweeps=tuple(sweeping),
            used_from={name: first.block for name, first in paid.items() if first is not None},
            codes=tuple(names[node] for node in self._unknown_codes()),
            balances=required_balances(self.acts.ledger, facts, self.acts.parameters),
            blocks=required_blocks(facts),
            calls=max(0, self._budget() - facts.calls),
        )

    def _budget(self) -> int:
        """Return the calls that the analysis may take."""
        parameters = self.acts.parameters
        return max(parameters.least_calls, ceil(parameters.calls_per_holder * len(self.holders)))

    @cached_property
    def holders(self) -> list[int]:
        """The holders above dust, the largest first."""
        acts = self.acts
        least = max(1, ceil(acts.parameters.supply_share * acts.ledger.supply))
        large = reaches(acts.ledger.balances.size, least)
        return acts.ledger.balances.largest(len(large), large)

    def _link_ends(self) -> list[int]:
        links = (self.acts.ledger.first_sources, self.acts.ledger.sweeps)
        ends = [end for each in links for end in (each.source, each.target)]
        return np.unique(np.concatenate(ends)).tolist() if ends else []

    def _wallets(self) -> list[int]:
        """Return the personal holders above dust, the largest first."""
        return [node for node in self.holders if self.acts.nodes.is_wallet(node)]

    def _by_importance(self, links: Links) -> Links:
        """Return links in descending order of what their wallets hold."""
        balances = self.acts.nodes.balances
        weight = [
            -max(balances[a], balances[b])
            for a, b in zip(links.source.tolist(), links.target.tolist(), strict=True)
        ]
        order = np.array(sorted(range(len(weight)), key=weight.__getitem__), np.int64)
        return links.take(order)

    def _transactions(self) -> Iterator[tuple[str, int]]:
        """Yield the transactions that link wallets, if their senders acted, and their blocks."""
        acts, transfers = self.acts, self.acts.ledger.transfers
        found = [creation_mints(acts)] if acts.parameters.creation_mints else []
        if acts.parameters.sender_acted:
            sources = self._by_importance(linked_sources(acts))
            largest = with_largest_rows(acts.ledger, sources)
            found += [sources, self._by_importance(linked_sweeps(acts)), largest]
        rows = [row for bundle in bundle_candidates(acts) for row in bundle.rows[:1]]
        rows += [row for links in found for row in links.row.tolist()]
        rows += distributing_rows(acts) if acts.parameters.sender_acted else []
        for row in rows:
            yield transfers.tx_hash(row), int(transfers.block[row])

    def _funders(self) -> Iterator[int]:
        """Yield the wallets whose first funder is needed, and the go-betweens that paid them."""
        acts = self.acts
        yield from self._wallets()[: acts.parameters.funders_of]
        if not acts.parameters.hops:
            return
        children = by_funder(funded_nodes(acts.nodes, acts.facts, acts.parameters))
        depth = depths(acts.nodes, acts.facts, acts.parameters)
        for node, funded in sorted(children.items()):
            if depth.get(node, 0) <= acts.parameters.hops and is_go_between(
                node, acts.nodes, acts.facts, len(funded), acts.parameters
            ):
                yield node

    def _nonces(self) -> Iterator[int]:
        """Yield the nodes of which it matters whether they are services, or ever acted."""
        acts = self.acts
        yield from self._burn_candidates()
        yield from self._signers()
        sources, sweeps = linked_sources(acts), linked_sweeps(acts)
        for links in (self._by_importance(sources), self._by_importance(sweeps)):
            yield from links.source.tolist()
            yield from links.target.tolist()
        for bundle in bundle_candidates(acts):
            yield from bundle.targets
        yield from creation_mints(acts).target.tolist()
        for node, target, _ in native_candidates(acts):
            yield from (node, target)
        yield from self._funding_nonces()

    def _signers(self) -> Iterator[int]:
        """Yield who signed the creation of the token, and bundles."""
        acts = self.acts
        bundled = [each.tx_hash for each in bundle_candidates(acts)]
        for tx_hash in (*self._creations(), *bundled):
            transaction = acts.facts.transactions.get(tx_hash)
            if transaction is not None:
                yield acts.nodes.index[transaction.sender]

    def _creations(self) -> list[str]:
        acts = self.acts
        if not acts.parameters.creation_mints:
            return []
        mints = creation_mints(acts)
        return [acts.ledger.transfers.tx_hash(row) for row in mints.row.tolist()]

    def _funding_nonces(self) -> Iterator[int]:
        """Yield funders, and the wallets whose first funder would unite them with others."""
        acts = self.acts
        nodes = acts.nodes
        children = by_funder(funded_nodes(nodes, acts.facts, acts.parameters))
        ranked = sorted(children.items(), key=lambda item: (-self._importance(item[1]), item[0]))
        for node, funded in ranked:
            if len(funded) <= acts.parameters.hub_cap:
                yield node
        if acts.parameters.funded_acted or acts.parameters.own_life_nonce:
            paid = {each.node for found in children.values() for each in found}
            for node, funded in ranked:
                unites = len(funded) > 1 or node < nodes.holders_end or node in paid
                if unites and len(funded) <= acts.parameters.hub_cap:
                    yield from (each.node for each in funded)

    def _importance(self, funded: Iterable[Funded]) -> int:
        return max(self.acts.nodes.balances[each.node] for each in funded)

    def _burn_candidates(self) -> Iterator[int]:
        if self.acts.parameters.burns:
            nodes = self.acts.nodes
            yield from (
                node for node in self._wallets() if looks_constructed(nodes.addresses[node])
            )

    def _probes(self) -> Iterator[Address]:
        """Yield the contracts that hold the token, and the sources of bundles."""
        acts = self.acts
        nodes = acts.nodes
        yield acts.facts.token.address
        for bundle in bundle_candidates(acts):
            yield nodes.addresses[bundle.source]
        for node in self.holders:
            code = acts.facts.codes.get(nodes.addresses[node])
            if code is not None and code.size > 0:
                yield nodes.addresses[node]

    def _sweeping(self) -> list[int]:
        """Return the largest fresh wallets, once their first funders are known.

        More of them if the first ones show that some swept to the same address.
        """
        if not self.acts.facts.requested.funders:
            return []
        fresh = (node for node in self._wallets() if is_fresh(self.acts, node))
        found = any(True for _ in native_sweeps(self.acts))
        count = self.acts.parameters.native_sweeps_of * (_MORE_SWEEPS if found else 1)
        return list(islice(fresh, count))

    def _unknown_codes(self) -> list[int]:
        """Return the payers behind contracts, and the recipients of native sweeps."""
        nodes, facts = self.acts.nodes, self.acts.facts
        found = {nodes.index[each.recipient] for each in facts.sweeps.values() if each is not None}
        found |= set(np.unique(self.acts.first_sources.source).tolist())
        known = {ZERO, DEAD, facts.token.address} | self.labels.known.keys()
        return sorted(node for node in found if nodes.addresses[node] not in known)
