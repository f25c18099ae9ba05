"""Decide which facts to fetch from the chain before an analysis."""

from compute.analysis.labels import DEAD, ZERO, Labels
from compute.analysis.ledger import Ledger
from compute.analysis.parameters import Parameters
from compute.analysis.required_balances import required_balances
from compute.analysis.times import required_blocks
from compute.chain_facts import ChainFacts, RequiredFacts


def facts_required_by(
    ledger: Ledger, facts: ChainFacts, labels: Labels, parameters: Parameters
) -> RequiredFacts:
    """List the addresses whose kind, first funder or balance the analysis needs.

    Kinds: the largest holders and both ends of every link. Funders: the largest holders.
    """
    address, balances = ledger.transfers.address, ledger.balances
    known = {ZERO, DEAD, facts.token.address} | set(labels.known)
    holders = [n for n, balance in enumerate(balances) if balance > 0]
    holders.sort(key=lambda n: (-balances[n], n))
    largest = [each for each in map(address, holders) if each not in known]
    linked = [each for each in map(address, _link_ends(ledger)) if each not in known]
    kinds = dict.fromkeys(largest[: parameters.kinds_of]) | dict.fromkeys(linked)
    return RequiredFacts(
        kinds=tuple(kinds),
        funders=tuple(largest[: parameters.funders_of]),
        balances=required_balances(ledger, facts, parameters),
        probes=(facts.token.address,),
        blocks=required_blocks(facts),
    )


def _link_ends(ledger: Ledger) -> list[int]:
    links = (ledger.first_sources, ledger.sweeps)
    return sorted({n for each in links for end in (each.source, each.target) for n in end.tolist()})
