"""What has to be asked of the chain before the transfers can be read."""

from compute.analysis.labels import DEAD, ZERO, Labels
from compute.analysis.ledger import Ledger
from compute.analysis.parameters import Parameters
from compute.facts import Questions, Token


def questions_of(ledger: Ledger, token: Token, labels: Labels, parameters: Parameters) -> Questions:
    """Kinds of whoever may stand in an edge or holds much; funders and balances of the largest."""
    names = ledger.transfers
    balances = ledger.balances
    known = {ZERO, DEAD, token.address} | set(labels.known)
    held = [n for n, balance in enumerate(balances) if balance > 0]
    held.sort(key=lambda n: (-balances[n], n))
    largest = [name for name in map(names.name, held) if name not in known]
    links = (ledger.first_sources, ledger.sweeps)
    ends = {n for each in links for end in (each.source, each.target) for n in end.tolist()}
    asked = dict.fromkeys(largest[: parameters.kinds_of])
    asked |= dict.fromkeys(name for name in map(names.name, sorted(ends)) if name not in known)
    return Questions(
        kinds=tuple(asked),
        funders=tuple(largest[: parameters.funders_of]),
        balances=tuple(names.name(n) for n in held[: parameters.verify]),
    )
